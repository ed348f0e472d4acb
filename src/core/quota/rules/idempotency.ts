import { type Problem, problem } from "../../shared/problem.ts";
import type { UploadState } from "../../uploads/rules/upload-state.ts";
import {
  type IdempotencyRequest,
  type ReservationOutcome,
  REPLAY_MARGIN_SECONDS,
  IN_PROGRESS_RETRY_SECONDS,
  MAX_CREATION_SECONDS,
} from "./reservation.ts";

/** The upload that a key stands for. */
export interface ExistingUpload {
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
export function resolveIdempotency(
  request: IdempotencyRequest,
  row: ExistingUpload,
  time: number,
): ReservationOutcome | undefined {
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
export function isInProgress({ state, created }: ExistingUpload, time: number): boolean {
  return state === "reserved" && time < created + MAX_CREATION_SECONDS;
}
