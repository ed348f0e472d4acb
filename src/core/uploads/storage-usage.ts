import { visibilityOf, restrictToVisible } from "../auth/rules/upload-visibility.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";

/** Under Cloudflare's names. https://developers.cloudflare.com/api/resources/stream/subresources/videos/methods/storage_usage/ */
export interface StorageUsage {
  readonly creator?: string;
  /** Reservations included. */
  readonly totalStorageMinutes: number;
  /** What the tenant may store; absent: as much as the account does. */
  readonly totalStorageMinutesLimit?: number;
  readonly videoCount: number;
}

/**
 * What is stored of the uploads that the caller may see, or of one creator's.
 *
 * @param asked the creator; undefined: all
 */
export async function storageUsage(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  asked: string | undefined,
): Promise<Result<StorageUsage>> {
  const reached = restrictToVisible(visibilityOf(caller, tenant.policy), asked === undefined ? {} : { creator: asked });
  const stored = reached ? await ledgers.storage(tenant.id, reached.creator) : ok({ seconds: 0, videos: 0 });
  if (!stored.ok) return stored;
  const { storedSeconds } = tenant.limits;
  const creator = reached?.creator ?? asked;
  return ok({
    ...(creator !== undefined && { creator }),
    totalStorageMinutes: stored.value.seconds / 60,
    ...(storedSeconds !== undefined && { totalStorageMinutesLimit: storedSeconds / 60 }),
    videoCount: stored.value.videos,
  });
}
