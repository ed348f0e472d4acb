import type { Limits, RateStatus } from "./limits.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import type { UploadState } from "../../uploads/rules/upload-state.ts";

/** What a creation asks of the ledger. Times are seconds since the epoch. */
export interface ReservationRequest {
  readonly id: string;
  /** Of the tenant, as the creation was decided by. */
  readonly version: number;
  readonly limits: Limits;
  readonly upstream: string;
  readonly creator?: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly expires: number;
  readonly idempotency?: IdempotencyRequest;
}

/** Why a reservation is given back: Stream was asked and refused it for certain, or was not asked at all. */
export type ReleaseCause = "refused" | "unsent";

export interface IdempotencyRequest {
  /** Tells whose key it is as well: two callers that choose the same one do not meet. */
  readonly key: string;
  /** Of what was asked for. */
  readonly fingerprint: string;
  /** A grant: for one creation, and for no other while the ledger has an upload of it, even one that nothing came of. */
  readonly once: boolean;
}

export type ReservationOutcome =
  | { readonly kind: "reserved"; readonly rate?: RateStatus }
  /** The same creation has an upload URL that is alive. */
  | {
      readonly kind: "replayed";
      readonly id: string;
      readonly uid: string;
      readonly location: string;
      readonly expires: number;
    }
  /** Decided by a tenant that has changed since. */
  | { readonly kind: "stale" }
  | { readonly kind: "refused"; readonly problem: Problem };

/** A URL that is about to die is as good as dead to a client that gets it again. */
const REPLAY_MARGIN_SECONDS = 60;
/** The longest that a creation is on its way: so long the platform lets it go on once its client has left. */
const MAX_CREATION_SECONDS = 30;
/** A creation that is on its way takes a moment. */
const IN_PROGRESS_RETRY_SECONDS = 1;

/** The upload that a key stands for. */
export interface EarlierUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  readonly location: string | null;
  readonly fingerprint: string | null;
  readonly created: number;
  readonly expires: number;
  /** When Stream will be asked what has become of it. */
  readonly due: number | null;
}

/** What the same key means while its upload is what it is; undefined: that upload is dead, and another may take its place. */
export function recall(request: IdempotencyRequest, row: EarlierUpload, time: number): ReservationOutcome | undefined {
  const refuse = (refusal: Problem): ReservationOutcome => ({ kind: "refused", problem: refusal });
  const isDead = row.state === "expired" || row.state === "cancelled";
  if (row.fingerprint !== request.fingerprint && (request.once || !isDead))
    return refuse(problem("idempotency_key_reused", "This key or grant was used for another creation."));
  switch (row.state) {
    case "reserved":
    case "unknown":
    case "issued":
      if (row.uid !== null && row.location !== null && row.expires - REPLAY_MARGIN_SECONDS > time)
        return { kind: "replayed", id: row.id, uid: row.uid, location: row.location, expires: row.expires };
      // Whether there is a video, and whether anything was uploaded, is not known until Stream has been asked.
      return refuse(
        problem("creation_in_progress", "The same creation is in progress, or what became of it is not known yet.", {
          retryAfterSeconds: Math.max(IN_PROGRESS_RETRY_SECONDS, isOnItsWay(row, time) ? 0 : (row.due ?? time) - time),
        }),
      );
    case "ready":
    case "failed":
    case "deleted":
      return refuse(
        request.once
          ? problem("grant_used", "The grant's upload is finished.")
          : problem("idempotency_key_reused", "The key's upload is finished; another upload needs another key."),
      );
    case "expired":
    case "cancelled":
      return undefined;
    default:
      return row.state satisfies never;
  }
}

/** Later than that nobody waits for its answer any more: whoever made the reservation is gone. */
function isOnItsWay({ state, created }: EarlierUpload, time: number): boolean {
  return state === "reserved" && time < created + MAX_CREATION_SECONDS;
}
