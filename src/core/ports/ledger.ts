import type { Totals } from "../quota/rules/usage-totals.ts";
import type { ReleaseCause, ReservationOutcome, ReservationRequest } from "../quota/rules/reservation.ts";
import type { Result } from "../shared/result.ts";
import type { DeliveryAttempt, EventPage, EventQuery, WebhookEvent } from "../webhooks/rules/delivery.ts";
import type { StreamVideo } from "../stream/rules/video.ts";
import type { UploadRecord, UploadPage, UploadQuery } from "../uploads/rules/upload-record.ts";
import type { Comparison, VideoPage } from "../reconciliation/rules/comparison.ts";

/** A tenant's ledger: what it has reserved, and what that counts for. The authority on how old a tenant may be. */
export interface Ledgers {
  /**
   * Nothing that was decided by an older version of the tenant is accepted from now on; and its events are kept from now on
   * exactly if it has endpoints.
   */
  syncTenantVersion(tenant: string, version: number, hasEndpoints: boolean): Promise<void>;
  /** Refused: nothing is held. */
  reserve(tenant: string, request: ReservationRequest): Promise<ReservationOutcome>;
  /** Refused: the upload URL must not be handed out. */
  attach(tenant: string, id: string, uid: string, location: string): Promise<Result<void>>;
  /** The creation certainly failed: nothing is held any longer. Where Stream refused it, it is still one of its minute. */
  release(tenant: string, id: string, cause: ReleaseCause): Promise<void>;
  /** Nobody knows whether the creation failed: the reservation stays until Stream can be asked. */
  markUnknown(tenant: string, id: string): Promise<void>;
  /** Stream has made a video, and nobody can be given its URL: the upload is cancelled, and the video deleted soon. */
  cancelOrphaned(tenant: string, id: string, uid: string): Promise<void>;
  usage(tenant: string): Promise<Result<Totals>>;

  /** An upload by its id, or by Stream's identifier of its video. */
  find(tenant: string, idOrUid: string): Promise<Result<UploadRecord | undefined>>;
  list(tenant: string, query: UploadQuery): Promise<Result<UploadPage>>;
  /** Seconds and number of videos that are ready, of one creator or of all. */
  storage(tenant: string, creator?: string): Promise<Result<{ readonly seconds: number; readonly videos: number }>>;
  /**
   * The upload is cancelled, and holds nothing any longer; undefined: there is none. Stale: decided by a tenant, of that
   * version, that has changed since.
   */
  cancel(tenant: string, id: string, version: number): Promise<Result<UploadRecord | "stale" | undefined>>;
  /** The video of a cancelled upload is no longer at Stream. */
  confirmVideoDeleted(tenant: string, id: string): Promise<void>;
  /** Takes in what Stream says of a video. False: none of the tenant's uploads is meant. */
  record(tenant: string, upstream: string, video: StreamVideo): Promise<Result<boolean>>;
  /** Takes in all that Stream has of a span of time, and has whatever is missing there looked for. */
  reconcile(tenant: string, upstream: string, page: VideoPage): Promise<Result<Comparison>>;

  events(tenant: string, query: EventQuery): Promise<Result<EventPage>>;
  /** With all attempts to deliver it. */
  event(
    tenant: string,
    id: string,
  ): Promise<Result<(WebhookEvent & { readonly attempts: readonly DeliveryAttempt[] }) | undefined>>;
  /** Rejects where it is not recorded. */
  recordAttempt(tenant: string, eventId: string, attempt: DeliveryAttempt): Promise<void>;
}
