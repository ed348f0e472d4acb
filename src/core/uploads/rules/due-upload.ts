import type { StreamVideo, AbsentVideo } from "../../stream/rules/video.ts";
import { type UploadTransition, type UploadProgress, type UploadState, isLive } from "./upload-state.ts";

/** An upload of which something has to be found out or done. Times are seconds since the epoch. */
export interface DueUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  /** The upload URL; null: nobody has it. */
  readonly location: string | null;
  readonly creator: string | null;
  readonly upstream: string;
  readonly bytes: number;
  readonly created: number;
  readonly expires: number;
  /** 1: the video has to go, whatever has become of it. */
  readonly unwanted: number;
}

/** What has been found out or done. */
export interface DueOutcome {
  readonly event?: UploadTransition;
  readonly video?: StreamVideo | AbsentVideo;
  /** When to look again; null: never. */
  readonly due: number | null;
}

/** Whoever cancels an upload has its video deleted at once; if that does not happen, the alarm does it. */
const DUE_AFTER_CANCEL_SECONDS = 30;

/** When something has to be done about an upload at Stream, after an event. */
export function dueAfter(
  row: Pick<DueUpload, "state"> & { readonly due: number | null },
  event: UploadTransition,
  { state, unwanted }: UploadProgress,
  now: number,
): number | null {
  if (isLive(state)) return row.due;
  if (!unwanted) return null;
  switch (event.kind) {
    case "cancelled":
      if (event.uid !== undefined) return now;
      // While the creation is on its way, there is nothing to be found yet.
      return row.state === "reserved" ? row.due : now + DUE_AFTER_CANCEL_SECONDS;
    case "issued":
    case "lost":
    case "returned":
      return now;
    case "reported":
      return event.report.kind === "absent" ? null : now;
    case "expired":
      return row.due;
    default:
      return event satisfies never;
  }
}
