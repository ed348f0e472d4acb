import { type Problem, problem } from "../../shared/problem.ts";
import type { VideoSource } from "../../uploads/rules/upload-state.ts";
import type { Limits, RateStatus } from "./limits.ts";

/**
 * What a creation reserves in the ledger. Times are seconds since the epoch.
 *
 * Each creation sends this object over RPC, also between neighbouring versions during a deployment. So it is sent without
 * mapping, and its field names and those of `IdempotencyRequest` stay.
 */
export interface ReservationRequest {
  readonly id: string;
  /** Of the tenant that the creation was decided with. */
  readonly version: number;
  readonly limits: Limits;
  readonly upstream: string;
  /** The key of the person. */
  readonly creator?: string;
  /** What Stream is told where that is not the subject. An object of the version before ignores it. */
  readonly label?: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly expires: number;
  readonly idempotency?: IdempotencyRequest;
  /** See `Correlation`: kept with the upload. `meta` is JSON. */
  readonly name?: string;
  readonly meta?: string;
  readonly grant?: string;
  readonly reference?: string;
  /** Of a copy or a clip. Sent to `reserveVideo`, which an object of the version before does not have. */
  readonly source?: VideoSource;
  readonly clippedFrom?: string;
  /**
   * Seconds after which a creation without an answer counts as lost: the deadline of a call to Stream, and a margin. Absent in
   * calls of Workers that do not know the outcomes `in progress` and `expiring`.
   */
  readonly answerSeconds?: number;
}

/** Why a reservation is released: Stream definitely rejected the creation, or received none. */
export type ReleaseCause = "refused" | "unsent";

export interface IdempotencyRequest {
  /** Includes the caller, so that equal keys of two callers do not collide. */
  readonly key: string;
  /** Hash of the requested creation. */
  readonly fingerprint: string;
  /** The key belongs to a grant: when its upload is finished, the grant is used, and not the key. */
  readonly once: boolean;
  /** The key in the form of version 0.1, which uploads of that version hold. */
  readonly formerKey?: string;
  /** For grants: how all keys of the grant begin, and how many uploads with such a key may be reachable. */
  readonly perGrant?: { readonly prefix: string; readonly uploads: number };
}

export type ReservationOutcome =
  | { readonly kind: "reserved"; readonly rate?: RateStatus | undefined }
  /** The same creation has an upload URL that is alive, or a copy or a clip that has not failed. */
  | {
      readonly kind: "replayed";
      readonly id: string;
      readonly uid: string;
      /** Absent: a copy or a clip. */
      readonly location?: string;
      readonly expires: number;
    }
  /** Another request with the same key waits for Stream's answer. */
  | { readonly kind: "in progress" }
  /** The upload URL of the same creation is about to expire, or has expired: this request may ask Stream about it. */
  | { readonly kind: "expiring"; readonly upload: ExpiringUpload }
  /** The tenant has changed since the creation was decided. */
  | { readonly kind: "stale" }
  | { readonly kind: "refused"; readonly problem: Problem };

/** An upload whose URL is about to expire, or has expired. Times are seconds since the epoch. */
export interface ExpiringUpload {
  readonly id: string;
  readonly uid: string;
  readonly location: string;
  readonly expires: number;
  readonly upstream: string;
}

/** A URL that expires within this time is not replayed unasked: the client could hardly use it. */
export const REPLAY_MARGIN_SECONDS = 60;

/** How long one request may ask Stream about an upload whose URL is about to expire; others have to wait. */
export const EXPIRING_LOCK_SECONDS = 15;

/** Upper bound for a creation in progress: how long the platform lets it run after its client has disconnected. */
export const MAX_CREATION_SECONDS = 30;

/** `Retry-After` while the same creation is in progress. */
export const IN_PROGRESS_RETRY_SECONDS = 2;

export const CREATION_IN_PROGRESS = problem("creation_in_progress", "The same creation is in progress.", {
  retryAfterSeconds: IN_PROGRESS_RETRY_SECONDS,
});
