import type { ExistingVideo, VideoReport, VideoSource } from "../../uploads/rules/upload-state.ts";
import type { VideoJson } from "./video-document.ts";
import type { VerifiedTag, VideoTag } from "./video-tag.ts";

/** A video as Stream's API or a notification describes it. Times are seconds since the epoch. */
export interface StreamVideo {
  readonly report: ExistingVideo;
  /** Absent if created elsewhere, or if the `sluice` key of its `meta` was removed. Not verified: anyone may have written it. */
  readonly tag?: VideoTag;
  readonly creator?: string;
  /** Absent: bytes were, or can be, uploaded. */
  readonly source?: VideoSource;
  readonly created?: number;
  /** Expiry of its upload URL. */
  readonly expires?: number;
  /** Seconds that Stream reserves until the video is ready. */
  readonly maxDurationSeconds?: number;
  readonly json: VideoJson;
  /** `json` lacks members that nest too deep to be stored and shown. */
  readonly tooDeep?: true;
}

/** A listed video that cannot be taken in. */
export interface SkippedVideo {
  /** Its uid, or what else is known of it. */
  readonly skipped: string;
  readonly created?: number;
}

/** A video in the ledger of a tenant, which has verified its tag; absent if it names another tenant. */
export interface VerifiedVideo extends StreamVideo {
  readonly tag?: VerifiedTag;
}

/** A page of a list, oldest first. */
export interface VideoList {
  readonly videos: readonly (StreamVideo | SkippedVideo)[];
  /** Whether this is the last page. */
  readonly last: boolean;
}

export interface AbsentVideo {
  readonly report: Extract<VideoReport, { kind: "absent" }>;
}
