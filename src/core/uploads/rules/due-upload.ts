import type { AbsentVideo, StreamVideo } from "../../stream/rules/video.ts";
import { type UploadProgress, type UploadState, type UploadTransition, isLive } from "./upload-state.ts";

/** An upload whose video has to be checked or deleted at Stream. Times are seconds since the epoch. */
export interface DueUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  /** The upload URL; null: no client has it. */
  readonly location: string | null;
  readonly creator: string | null;
  readonly upstream: string;
  readonly bytes: number;
  readonly created: number;
  readonly expires: number;
  /** The video has to be deleted, whatever its state. */
  readonly deletionRequested: boolean;
}

/** Result of checking a due upload. */
export interface DueOutcome {
  readonly transition?: UploadTransition;
  readonly video?: StreamVideo | AbsentVideo;
  /** When to check again; null: never. */
  readonly due: number | null;
}

/** Delay after the expiry of the upload URL: Stream may expire it late, and its clock may be slow. */
export const DUE_AFTER_EXPIRY_SECONDS = 60;

/** Delay before the alarm deletes the video of a cancelled upload, in case the immediate delete failed. */
const DUE_AFTER_CANCEL_SECONDS = 30;

/**
 * When an upload is due after a transition.
 *
 * @param before state and due time before the transition
 * @param after the upload after the transition
 * @returns seconds since the epoch, or null if nothing is left to do at Stream
 */
export function dueAfterTransition(
  before: Pick<DueUpload, "state"> & { readonly due: number | null },
  change: UploadTransition,
  after: UploadProgress,
  now: number,
): number | null {
  if (isLive(after.state)) return before.due;
  if (!after.deletionRequested) return null;
  switch (change.kind) {
    case "cancelled":
      if (change.uid !== undefined) return now;
      // While the creation is in progress, there is no video to delete yet.
      return before.state === "reserved" ? before.due : now + DUE_AFTER_CANCEL_SECONDS;
    case "issued":
    case "lost":
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
