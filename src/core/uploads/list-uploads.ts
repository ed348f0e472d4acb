import { visibilityOf, restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { UploadPage, UploadQuery } from "./rules/upload-record.ts";

/** The uploads that the caller may see, the newest first, as its query asks for them. */
export async function listUploads(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  query: UploadQuery,
): Promise<Result<UploadPage>> {
  const reached = restrictToVisible(visibilityOf(caller, tenant.policy), query);
  return reached ? ledgers.list(tenant.id, reached) : ok({ uploads: [] });
}
