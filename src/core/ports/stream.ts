import type { Result } from "../shared/result.ts";
import type { SignedWebhook, StreamWebhook } from "../stream/rules/account-webhook.ts";
import type { StreamOutcome, UpstreamCreation } from "../stream/rules/creation.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { AbsentVideo, StreamVideo, VideoList } from "../stream/rules/video.ts";
import type { DirectUpload } from "../uploads/rules/direct-upload.ts";

/** Cloudflare Stream: creates uploads, and reads and deletes their videos. */
export interface StreamApi {
  /** Creates a tus upload. */
  create(upstream: Upstream, creation: UpstreamCreation): Promise<StreamOutcome>;
  /** Creates a basic link: `location` accepts one form with the whole file. */
  createDirect(upstream: Upstream, creation: DirectUpload): Promise<StreamOutcome>;
  /** @returns `undefined` if Stream gives no usable answer */
  video(upstream: Upstream, uid: string): Promise<StreamVideo | AbsentVideo | undefined>;
  /**
   * Lists the oldest videos created at or after a time, oldest first; with `only`, those created before another time, or of
   * one creator. Times are seconds since the epoch.
   *
   * @returns `undefined` if Stream gives no usable answer
   */
  listVideosFrom(
    upstream: Upstream,
    created: number,
    limit: number,
    only?: { readonly before?: number; readonly creator?: string },
  ): Promise<VideoList | undefined>;
  /**
   * Whether an upload URL is alive and has received bytes. Calls the upload host, not the API.
   *
   * @returns `true` if the host gives no clear answer
   */
  isUploadInProgress(location: string): Promise<boolean>;
  /** @returns whether the video is gone; `false` if Stream gives no usable answer */
  deleteVideo(upstream: Upstream, uid: string): Promise<boolean>;
}

/** The one webhook of an account. */
export interface StreamWebhooks {
  /** @returns `undefined` if the account has no webhook */
  current(upstream: Upstream): Promise<Result<StreamWebhook | undefined>>;
  /** Replaces the account's webhook. */
  register(upstream: Upstream, notificationUrl: string): Promise<Result<SignedWebhook>>;
}
