import { type Problem, problem } from "../../shared/problem.ts";
import { type UploadState, isLive } from "../../uploads/rules/upload-state.ts";
import {
  CREATION_IN_PROGRESS,
  type ExpiringUpload,
  type IdempotencyRequest,
  MAX_CREATION_SECONDS,
  REPLAY_MARGIN_SECONDS,
  type ReservationOutcome,
} from "./reservation.ts";

/** The upload that holds a key. */
export interface ExistingUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  readonly location: string | null;
  readonly fingerprint: string | null;
  readonly upstream: string;
  readonly created: number;
  readonly expires: number;
}

/** How a creation is resolved whose key has an upload. */
export type IdempotencyOutcome =
  | Extract<ReservationOutcome, { kind: "replayed" | "in progress" | "refused" }>
  /** The upload's URL is about to expire, or has expired: what became of it has to be asked. */
  | { readonly kind: "expiring"; readonly upload: ExpiringUpload }
  /** The upload is dead, or no client can reach it: a new one takes its key. */
  | { readonly kind: "free" };

/** @param answerSeconds after which a reserved upload counts as lost, since its request has no answer from Stream */
export function resolveIdempotency(
  request: IdempotencyRequest,
  row: ExistingUpload,
  time: number,
  answerSeconds = MAX_CREATION_SECONDS,
): IdempotencyOutcome {
  const isFree = !isLive(row.state) ? isDead(row) : isLost(row, time, answerSeconds);
  if (row.fingerprint !== request.fingerprint && (request.once || !isFree))
    return refuse(problem("idempotency_key_reused", "The key or grant was used for another creation."));
  if (isFree) return { kind: "free" };
  if (!isLive(row.state))
    return refuse(
      request.once
        ? problem("grant_used", "The upload of the grant is finished; another upload needs another grant.")
        : problem("idempotency_key_reused", "The upload of the key is finished; another upload needs another key."),
    );
  const { id, uid, location, expires, upstream } = row;
  if (uid === null || location === null) return { kind: "in progress" };
  if (expires - REPLAY_MARGIN_SECONDS > time) return { kind: "replayed", id, uid, location, expires };
  return { kind: "expiring", upload: { id, uid, location, expires, upstream } };
}

/** A creation without an answer from Stream: no client has its URL, and none will get it. */
export function isLost({ state, created }: ExistingUpload, time: number, answerSeconds: number): boolean {
  return state === "unknown" || (state === "reserved" && time >= created + answerSeconds);
}

function isDead({ state }: ExistingUpload): boolean {
  return state === "expired" || state === "cancelled";
}

function refuse(refusal: Problem): IdempotencyOutcome {
  return { kind: "refused", problem: refusal };
}

/** The outcome for Workers that do not know the outcomes `in progress` and `expiring`. */
export function withoutQuestions(outcome: ReservationOutcome): ReservationOutcome {
  return outcome.kind === "in progress" || outcome.kind === "expiring"
    ? { kind: "refused", problem: CREATION_IN_PROGRESS }
    : outcome;
}
