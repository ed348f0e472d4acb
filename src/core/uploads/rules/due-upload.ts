import type { AbsentVideo, StreamVideo } from "../../stream/rules/video.ts";
import { type UploadProgress, type UploadState, type UploadTransition, isLive, isVideoLost } from "./upload-state.ts";

/** An upload whose video has to be checked or deleted at Stream. Times are seconds since the epoch. */
export interface DueUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string;
  /** The upload URL; null: no client has it. */
  readonly location: string | null;
  readonly upstream: string;
  /** A copy or a clip has no URL that could expire. */
  readonly hasUrl: boolean;
  readonly bytes: number;
  readonly expires: number;
  /** The video has to be deleted, whatever its state. */
  readonly deletionRequested: boolean;
  /** Requested deletions of the video that failed, without the one of the request. */
  readonly failedDeletions: number;
}

/** Result of checking a due upload. */
export interface DueOutcome {
  readonly transition?: UploadTransition;
  readonly video?: StreamVideo | AbsentVideo;
  /** A requested deletion failed once more. */
  readonly deletionFailed?: boolean;
  /** When to check again; null: never. */
  readonly due: number | null;
}

/** Delay after the expiry of the upload URL: Stream may expire it late, and its clock may be slow. */
export const DUE_AFTER_EXPIRY_SECONDS = 60;

/**
 * How long after its creation a copy or a clip "expires", which it does not: then it is asked about for the first time, unless Stream
 * has reported the end of its processing. Ten minutes, with the delay above.
 */
export const UNREPORTED_SECONDS = 600 - DUE_AFTER_EXPIRY_SECONDS;

/** Pauses before the first attempts to delete a video, and before all later ones: Stream may be down for hours. */
const DELETION_PAUSES_SECONDS = [5, 30, 120, 600] as const;
const LAST_DELETION_PAUSE_SECONDS = 1_800;

/** Pause before a requested deletion is tried again. @param failed attempts that failed, without the one of the request */
export function deletionPause(failed: number): number {
  return DELETION_PAUSES_SECONDS[failed] ?? LAST_DELETION_PAUSE_SECONDS;
}

/** What the due time of an upload depends on. Times are seconds since the epoch. */
interface BeforeTransition {
  readonly created: number;
  readonly expires: number;
  readonly due: number | null;
}

/**
 * When an upload is due after a transition.
 *
 * @returns seconds since the epoch, or null if nothing is left to do at Stream
 */
export function dueAfterTransition(
  before: BeforeTransition,
  change: UploadTransition,
  after: UploadProgress,
  now: number,
): number | null {
  if (isVideoLost(after))
    return isLive(after.state)
      ? Math.min(before.created, now) + LOST_UPLOAD_SECONDS
      : before.expires + DUE_AFTER_EXPIRY_SECONDS;
  if (isLive(after.state)) return before.due;
  if (!after.deletionRequested) return null;
  switch (change.kind) {
    case "cancelled":
      // The request deletes the video itself. While the creation is in progress, there is none to delete yet.
      return after.uid === undefined ? before.due : now + deletionPause(0);
    case "issued":
    case "lost":
    case "superseded":
    case "unreachable":
    case "restored":
      return now;
    case "reported":
      return change.report.kind === "absent" ? null : now;
    case "expired":
      return before.due;
    default:
      return change satisfies never;
  }
}

/**
 * When a creation without an answer counts as lost: after the longest deadline of a call to Stream (20 s), and the time that
 * the platform lets a request run on after its client has disconnected (30 s).
 */
export const UNANSWERED_SECONDS = 60;

/** How long a lost upload holds its reservation. Stream lists a new video within seconds (assumed). */
export const LOST_UPLOAD_SECONDS = 90;

/**
 * How long the video of a lost creation is searched for. There is one last look when its URL would have expired; a video that
 * turns up later is found by the reconciliation.
 */
export const LOST_SEARCH_SECONDS = 180;

/** When the last look is repeated, if Stream did not answer. */
export const LAST_LOOK_RETRY_SECONDS = 600;
