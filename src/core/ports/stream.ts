import type { DirectUpload } from "../uploads/rules/direct-upload.ts";
import type { Result } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { AbsentVideo, StreamVideo, VideoList } from "../stream/rules/video.ts";
import type { StreamOutcome, UpstreamCreation } from "../stream/rules/creation.ts";
import type { SignedWebhook, StreamWebhook } from "../stream/rules/account-webhook.ts";

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
  listVideosFrom(
    upstream: Upstream,
    created: number,
    limit: number,
    only?: { readonly before?: number; readonly creator?: string },
  ): Promise<VideoList | undefined>;
  /** Whether an upload URL is alive and has taken bytes: the upload host is asked, not the API. True: it does not say. */
  isUploadInProgress(location: string): Promise<boolean>;
  /** True: it is gone. */
  deleteVideo(upstream: Upstream, uid: string): Promise<boolean>;
}

export interface StreamWebhooks {
  current(upstream: Upstream): Promise<Result<StreamWebhook | undefined>>;
  /** Replaces it. */
  register(upstream: Upstream, notificationUrl: string): Promise<Result<SignedWebhook>>;
}
