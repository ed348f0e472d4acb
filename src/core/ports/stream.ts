import type { DirectUpload } from "../uploads/rules/direct-upload.ts";
import type { Problem } from "../shared/problem.ts";
import type { Result } from "../shared/result.ts";
import type { ExistingVideo, VideoReport } from "../uploads/rules/upload-state.ts";
import type { VideoJson } from "../stream/rules/video-document.ts";
import type { Upstream } from "./registry.ts";

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

/** What Stream is asked for: to create uploads, and what has become of their videos. */
export interface StreamApi {
  create(upstream: Upstream, creation: UpstreamCreation): Promise<StreamOutcome>;
  /** Makes a basic link: `location` is then for one form with the whole file. */
  createDirect(upstream: Upstream, creation: DirectUpload): Promise<StreamOutcome>;
  /** Undefined: Stream does not say. */
  video(upstream: Upstream, uid: string): Promise<StreamVideo | AbsentVideo | undefined>;
  /**
   * The oldest videos that were created at or after a moment, the oldest first; only those from before another, or a
   * creator's. Undefined: Stream does not say.
   */
  videosSince(
    upstream: Upstream,
    created: number,
    limit: number,
    only?: { readonly before?: number; readonly creator?: string },
  ): Promise<VideoList | undefined>;
  /** Whether an upload URL is alive and has taken bytes: the upload host is asked, not the API. True: it does not say. */
  hasBegun(location: string): Promise<boolean>;
  /** True: it is gone. */
  deleteVideo(upstream: Upstream, uid: string): Promise<boolean>;
}

/** The one webhook that a Stream account has. */
export interface StreamWebhook {
  readonly notificationUrl: string;
  /** What its events are signed with; undefined: Stream does not show it. */
  readonly secret?: string;
}

export type SignedWebhook = Required<StreamWebhook>;

export interface StreamWebhooks {
  current(upstream: Upstream): Promise<Result<StreamWebhook | undefined>>;
  /** Replaces it. */
  register(upstream: Upstream, notificationUrl: string): Promise<Result<SignedWebhook>>;
}

export interface AbsentVideo {
  readonly report: Extract<VideoReport, { kind: "absent" }>;
}

export interface UpstreamCreation {
  /** Bytes. */
  readonly length: number;
  /** The whole `Upload-Metadata` header. */
  readonly metadata: string;
  readonly creator?: string;
}

/** `status` is Stream's, where it answered. */
export type StreamOutcome =
  | { readonly kind: "created"; readonly status: number; readonly uid: string; readonly location: string }
  /** There is certainly no video. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: Problem }
  /** There may be a video, though nobody has its URL; with a uid, there is that one. */
  | { readonly kind: "unknown"; readonly status?: number; readonly uid?: string; readonly problem: Problem };
