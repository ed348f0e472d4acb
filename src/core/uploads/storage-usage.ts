import { restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";

/** With Cloudflare's field names. https://developers.cloudflare.com/api/resources/stream/subresources/videos/methods/storage_usage/ */
export interface StorageUsage {
  readonly creator?: string;
  /** Of ready videos: like Stream's, without what pending uploads reserve (assumed). */
  readonly totalStorageMinutes: number;
  /** The tenant's limit; absent if only the account's applies. */
  readonly totalStorageMinutesLimit?: number;
  readonly videoCount: number;
}

/**
 * Returns the storage used by the uploads that the caller may see.
 *
 * @param requestedCreator restricts it to a subject, or to what Stream is told; `undefined` for all
 */
export async function storageUsage(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  requestedCreator: string | undefined,
): Promise<Result<StorageUsage>> {
  const query = requestedCreator === undefined ? {} : { creator: requestedCreator };
  const visible = restrictToVisible(caller, query);
  const stored = visible
    ? await ledgerToRead(ledgers, tenant).storage(tenant.id, visible)
    : ok({ seconds: 0, videos: 0 });
  if (!stored.ok) return stored;
  const { storedSeconds } = tenant.limits;
  const creator = requestedCreator ?? caller.person?.subject;
  return ok({
    ...(creator !== undefined && { creator }),
    totalStorageMinutes: stored.value.seconds / 60,
    ...(storedSeconds !== undefined && { totalStorageMinutesLimit: storedSeconds / 60 }),
    videoCount: stored.value.videos,
  });
}
