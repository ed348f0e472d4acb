import { type Problem, problem } from "../../shared/problem.ts";
import { BASIC_UPLOAD_MAX_BYTES } from "../../uploads/rules/direct-upload.ts";
import { type UploadState, type VideoSource, isLive } from "../../uploads/rules/upload-state.ts";
import {
  CREATION_IN_PROGRESS,
  type ExpiringUpload,
  type IdempotencyRequest,
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
  readonly bytes: number;
  readonly created: number;
  readonly expires: number;
  /** Null: an upload. */
  readonly source: VideoSource | null;
}

/** How a creation is resolved whose key has an upload. */
export type IdempotencyOutcome =
  | Extract<ReservationOutcome, { kind: "replayed" | "in progress" | "refused" }>
  /** The upload's URL is about to expire, or has expired: what became of it has to be asked. */
  | { readonly kind: "expiring"; readonly upload: ExpiringUpload }
  /** The upload is dead, or no client can reach it: a new one takes its key. */
  | { readonly kind: "free" };

/**
 * @param existing the upload that holds the key
 * @param answerSeconds after which a reserved upload counts as lost, since its request has no answer from Stream
 * @param countReachable counts the uploads of the grant that a client can reach, or that are finished
 */
export function resolveIdempotency(
  request: IdempotencyRequest,
  existing: ExistingUpload | undefined,
  time: number,
  answerSeconds: number,
  countReachable = () => 0,
): IdempotencyOutcome {
  const holder = existing && !isFree(existing, time, answerSeconds) ? existing : undefined;
  const isSame = holder?.fingerprint === request.fingerprint;
  const { perGrant } = request;
  if (!isSame && perGrant && countReachable() >= perGrant.uploads) return refuse(allUsed(perGrant.uploads));
  if (!holder) return { kind: "free" };
  if (!isSame) return refuse(problem("idempotency_key_reused", "The key was used for another creation."));
  const { id, uid, location, expires, upstream, source } = holder;
  if (source && uid !== null && holder.state !== "deleted") return { kind: "replayed", id, uid, expires };
  if (!isLive(holder.state)) return refuse(request.once ? SAME_FILE_FINISHED : SAME_KEY_FINISHED);
  if (uid === null || location === null) return { kind: "in progress" };
  // A form's progress cannot be read, so a basic link is replayed until it expires. Only basic links reserve this size.
  const margin = holder.bytes === BASIC_UPLOAD_MAX_BYTES ? 0 : REPLAY_MARGIN_SECONDS;
  if (expires - margin > time) return { kind: "replayed", id, uid, location, expires };
  return { kind: "expiring", upload: { id, uid, location, expires, upstream } };
}

/**
 * A creation without an answer from Stream: no client has its URL, and none will get it. So is one from the future: the clock has
 * gone back, and its age is not known.
 */
export function isLost({ state, created }: ExistingUpload, time: number, answerSeconds: number): boolean {
  return state === "unknown" || (state === "reserved" && Math.abs(time - created) >= answerSeconds);
}

/** No client can reach the upload, and it is not finished; or the copy or clip has failed, and may succeed if it is made again. */
function isFree(upload: ExistingUpload, time: number, answerSeconds: number): boolean {
  const { state, source } = upload;
  if (isLive(state)) return isLost(upload, time, answerSeconds);
  return state === "expired" || state === "cancelled" || (state === "failed" && source !== null);
}

const SAME_KEY_FINISHED = problem(
  "idempotency_key_reused",
  "The upload of the key is finished; another upload needs another key.",
);

const SAME_FILE_FINISHED = problem(
  "grant_used",
  "The upload of this file is finished. To upload it again, get another grant from the tenant's backend.",
);

/** A file too many, which no repeat makes fit: says what to do instead. */
function allUsed(uploads: number): Problem {
  const files = uploads === 1 ? "one file, and it has" : `${uploads} files, and it has all of`;
  return problem(
    "grant_used",
    `The grant is for ${files} its upload${uploads === 1 ? "" : "s"}. Get a grant for each further file from the tenant's backend, which may also mint one for several files (uploads).`,
  );
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
