import type { ExistingVideo, VideoReport } from "../../uploads/rules/upload-state.ts";
import type { VideoJson } from "./video-document.ts";

/** A video as Stream shows it, by its API or in an event. Times are seconds since the epoch. */
export interface StreamVideo {
  readonly report: ExistingVideo;
  /** Whose it is, by the `sluice` key of its `meta`; undefined: it was not made here, or the key was taken away. */
  readonly tag?: { readonly tenant: string; readonly uploadId: string };
  readonly creator?: string;
  readonly created?: number;
  /** When its upload URL dies. */
  readonly expires?: number;
  /** Reserved while it is not ready. */
  readonly maxDurationSeconds?: number;
  readonly json: VideoJson;
}
export interface VideoList {
  readonly videos: readonly StreamVideo[];
  /** There are no newer ones. */
  readonly last: boolean;
}

export interface AbsentVideo {
  readonly report: Extract<VideoReport, { kind: "absent" }>;
}
