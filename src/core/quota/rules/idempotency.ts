import { type Problem, problem } from "../../shared/problem.ts";
import type { UploadState } from "../../uploads/rules/upload-state.ts";
import {
  type IdempotencyRequest,
  type ReservationOutcome,
  REPLAY_MARGIN_SECONDS,
  IN_PROGRESS_RETRY_SECONDS,
  MAX_CREATION_SECONDS,
} from "./reservation.ts";

/** The upload that holds a key. */
export interface ExistingUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  readonly location: string | null;
  readonly fingerprint: string | null;
  readonly created: number;
  readonly expires: number;
  /** When its video will be looked up at Stream. */
  readonly due: number | null;
}

/** Resolves a creation whose key has an upload. @returns undefined if that upload is dead, so that a new one may take the key */
export function resolveIdempotency(
  request: IdempotencyRequest,
  row: ExistingUpload,
  time: number,
): ReservationOutcome | undefined {
  const refuse = (refusal: Problem): ReservationOutcome => ({ kind: "refused", problem: refusal });
  const isDead = row.state === "expired" || row.state === "cancelled";
  if (row.fingerprint !== request.fingerprint && (request.once || !isDead))
    return refuse(problem("idempotency_key_reused", "The key or grant was used for another creation."));
  switch (row.state) {
    case "reserved":
    case "unknown":
    case "issued":
      if (row.uid !== null && row.location !== null && row.expires - REPLAY_MARGIN_SECONDS > time)
        return { kind: "replayed", id: row.id, uid: row.uid, location: row.location, expires: row.expires };
      // The video has to be looked up at Stream before it is known whether anything was uploaded.
      return refuse(
        problem("creation_in_progress", "The same creation is in progress, or its outcome is not known yet.", {
          retryAfterSeconds: Math.max(
            IN_PROGRESS_RETRY_SECONDS,
            isInProgress(row, time) ? 0 : (row.due ?? time) - time,
          ),
        }),
      );
    case "ready":
    case "failed":
    case "deleted":
      return refuse(
        request.once
          ? problem("grant_used", "The upload of the grant is finished; another upload needs another grant.")
          : problem("idempotency_key_reused", "The upload of the key is finished; another upload needs another key."),
      );
    case "expired":
    case "cancelled":
      return undefined;
    default:
      return row.state satisfies never;
  }
}

/** After this time no request can still be waiting for the answer: the creation was interrupted. */
export function isInProgress({ state, created }: ExistingUpload, time: number): boolean {
  return state === "reserved" && time < created + MAX_CREATION_SECONDS;
}
