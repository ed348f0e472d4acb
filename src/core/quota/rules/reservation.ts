import type { Limits, RateStatus } from "./limits.ts";
import { type Problem } from "../../shared/problem.ts";

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
export const REPLAY_MARGIN_SECONDS = 60;

/** The longest that a creation is on its way: so long the platform lets it go on once its client has left. */
export const MAX_CREATION_SECONDS = 30;

/** A creation that is on its way takes a moment. */
export const IN_PROGRESS_RETRY_SECONDS = 1;
