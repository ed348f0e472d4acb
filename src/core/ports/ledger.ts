import type { LimitUse, RequestedUpload } from "../quota/rules/check-limits.ts";
import type { Limits } from "../quota/rules/limits.ts";
import type { CreatorUsage, Totals, Usage } from "../quota/rules/usage-totals.ts";
import type { EditEnd, EditStart, EditStartOutcome } from "../quota/rules/edit-reservation.ts";
import type { ReleaseCause, ReservationOutcome, ReservationRequest } from "../quota/rules/reservation.ts";
import type { Result } from "../shared/result.ts";
import type { DeliveryAttempt, EventPage, EventQuery, WebhookEvent } from "../webhooks/rules/delivery.ts";
import type { StreamVideo } from "../stream/rules/video.ts";
import type { VideoJson } from "../stream/rules/video-document.ts";
import type { CreatorFilter, UploadRecord, UploadPage, UploadQuery } from "../uploads/rules/upload-record.ts";
import type { Comparison, VideoPage } from "../reconciliation/rules/comparison.ts";

/** The ledgers: per tenant its uploads, their totals, and its events. A ledger decides which tenant versions are stale. */
export interface Ledgers {
  /** Makes decisions based on an older version of the tenant stale, and stores events if it has endpoints. */
  syncTenantVersion(tenant: string, version: number, hasEndpoints: boolean): Promise<void>;
  /** A refused creation holds no reservation. */
  reserve(tenant: string, request: ReservationRequest): Promise<ReservationOutcome>;
  /**
   * On an error the upload URL must not be handed out.
   *
   * @param made the upload URL, or Stream's description of a copy or a clip
   */
  attach(tenant: string, id: string, uid: string, made: string | VideoJson): Promise<Result<void>>;
  /** The creation certainly failed: removes the reservation. If Stream rejected it, it still counts for the rate limits. */
  release(tenant: string, id: string, cause: ReleaseCause): Promise<void>;
  /** The answer of Stream was lost: keeps the reservation for a while, in which its video is searched for. */
  markUnknown(tenant: string, id: string): Promise<void>;
  /** Stream made a video whose URL cannot be handed out: cancels the upload, and makes the deletion of the video due. */
  cancelOrphaned(tenant: string, id: string, uid: string): Promise<void>;
  /** A request that was let to ask about an `expiring` upload has its answer, or gives up. */
  stopAsking(tenant: string, id: string): Promise<void>;
  /** The video was deleted before its upload URL was used. @returns an error if the upload keeps its state */
  expire(tenant: string, id: string): Promise<Result<void>>;
  usage(tenant: string): Promise<Result<Totals>>;
  /**
   * What the uploads reserved in a month use of its quota. @param start of the month, in seconds since the epoch
   * @returns undefined if the ledger did not keep totals of past months yet
   */
  usageOfMonth(tenant: string, start: number): Promise<Result<Usage | undefined>>;
  usageOfCreator(tenant: string, filter: CreatorFilter & { readonly creator: string }): Promise<Result<CreatorUsage>>;
  /** What is used of the limits that count this upload, and whether they would admit it. Counts nothing. */
  limitUses(tenant: string, limits: Limits, upload: RequestedUpload): Promise<Result<readonly LimitUse[]>>;
  /** Number of videos whose deletion Stream has not confirmed. */
  deletionsPending(tenant: string): Promise<Result<number>>;

  /** @param idOrUid the upload's id, or the uid of its video */
  find(tenant: string, idOrUid: string): Promise<Result<UploadRecord | undefined>>;
  /**
   * Finds an upload for a caller that may have lost its access meanwhile.
   *
   * @param version of the tenant that the access was decided with; `stale` if it has changed since
   */
  findCurrent(tenant: string, idOrUid: string, version: number): Promise<Result<UploadRecord | "stale" | undefined>>;
  list(tenant: string, query: UploadQuery): Promise<Result<UploadPage>>;
  /** Seconds and number of ready videos, of one creator or of the tenant. */
  storage(
    tenant: string,
    filter: CreatorFilter,
  ): Promise<Result<{ readonly seconds: number; readonly videos: number }>>;
  /**
   * Cancels the upload, or deletes it if it was ready.
   *
   * @param version of the tenant that the cancellation was decided with; `stale` if it has changed since
   * @param unfinishedOnly does nothing to an upload that is `finished`, unless its deletion was requested before
   * @returns undefined if there is no such upload
   */
  cancel(
    tenant: string,
    id: string,
    version: number,
    unfinishedOnly?: boolean,
  ): Promise<Result<UploadRecord | "stale" | "finished" | undefined>>;
  /** Begins an edit of a video: one at a time. A longer duration is reserved, or refused, and then nothing has changed. */
  beginEdit(tenant: string, edit: EditStart): Promise<Result<EditStartOutcome>>;
  /** Ends an edit that has begun. @returns the upload as it is now; `undefined` if it is gone */
  endEdit(tenant: string, id: string, end: EditEnd): Promise<Result<UploadRecord | undefined>>;
  /** The video of a cancelled upload no longer exists at Stream. */
  confirmVideoDeleted(tenant: string, id: string): Promise<void>;
  /** Applies a report from Stream. @returns false if it belongs to none of the tenant's uploads */
  record(tenant: string, upstream: string, video: StreamVideo): Promise<Result<boolean>>;
  /** When the lost creations of an upstream were sent whose videos have to be searched for; seconds since the epoch. */
  lostCreations(tenant: string, upstream: string): Promise<Result<readonly number[]>>;
  /** Deletes the listed videos of lost creations. Those of the time span without a video are settled. */
  recordSearch(tenant: string, upstream: string, page: VideoPage): Promise<Result<void>>;
  /** Compares the uploads of a time span with all its videos at Stream, and makes uploads with a missing video due. */
  reconcile(tenant: string, upstream: string, page: VideoPage): Promise<Result<Comparison>>;

  events(tenant: string, query: EventQuery): Promise<Result<EventPage>>;
  /** An event with all its delivery attempts. */
  event(
    tenant: string,
    id: string,
  ): Promise<Result<(WebhookEvent & { readonly attempts: readonly DeliveryAttempt[] }) | undefined>>;
  /** Rejects if the attempt could not be stored. */
  recordAttempt(tenant: string, eventId: string, attempt: DeliveryAttempt): Promise<void>;
}
