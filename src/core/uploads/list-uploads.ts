import { restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { UploadPage, UploadQuery } from "./rules/upload-record.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";

/** Lists the uploads that match a query and that the caller may see, newest first by default. */
export async function listUploads(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  query: UploadQuery,
): Promise<Result<UploadPage>> {
  const visible = restrictToVisible(caller, query);
  return visible ? ledgerToRead(ledgers, tenant).list(tenant.id, visible) : ok({ uploads: [] });
}
