import type { ExistingVideo, VideoReport } from "../../uploads/rules/upload-state.ts";
import type { VideoJson } from "./video-document.ts";

/** A video as Stream's API or a notification describes it. Times are seconds since the epoch. */
export interface StreamVideo {
  readonly report: ExistingVideo;
  /** Tenant and upload in the `sluice` key of its `meta`; absent if created elsewhere, or if the key was removed. */
  readonly tag?: { readonly tenant: string; readonly uploadId: string };
  readonly creator?: string;
  readonly created?: number;
  /** Expiry of its upload URL. */
  readonly expires?: number;
  /** Seconds that Stream reserves until the video is ready. */
  readonly maxDurationSeconds?: number;
  readonly json: VideoJson;
}

/** A page of a list, oldest first. */
export interface VideoList {
  readonly videos: readonly StreamVideo[];
  /** Whether this is the last page. */
  readonly last: boolean;
}

export interface AbsentVideo {
  readonly report: Extract<VideoReport, { kind: "absent" }>;
}
