import type { VideoJson } from "../../stream/rules/video-document.ts";
import type { Upload, UploadState } from "./upload-state.ts";

/** An upload as the ledger keeps it. */
export interface UploadRecord extends Upload {
  readonly upstream: string;
  /** The video has to go, whatever has become of it. */
  readonly unwanted: boolean;
  /** Stream's own object of the video, as it was last seen; undefined: not yet. */
  readonly video?: VideoJson;
}
export interface UploadQuery {
  readonly state?: UploadState;
  readonly creator?: string;
  /** Seconds since the epoch: created at or after, and before. */
  readonly from?: number;
  readonly to?: number;
  /** The oldest first. */
  readonly ascending?: boolean;
  /** Of the page before. */
  readonly cursor?: string;
  readonly limit: number;
}

/**
 * The newest first, unless it is asked otherwise. A page with a cursor may be short of its limit, or empty, and still not
 * be the last.
 */
export interface UploadPage {
  readonly uploads: readonly UploadRecord[];
  readonly cursor?: string;
}
