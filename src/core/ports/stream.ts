import type { Result } from "../shared/result.ts";
import type { SignedWebhook, StreamWebhook } from "../stream/rules/account-webhook.ts";
import type { StreamOutcome, UpstreamCreation, VideoToMake } from "../stream/rules/creation.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { AbsentVideo, StreamVideo, VideoList } from "../stream/rules/video.ts";
import type { DirectUpload } from "../uploads/rules/direct-upload.ts";

/**
 * `empty` is alive without bytes, and `in use` has received some; `dead` has expired, or accepts a form, whose progress cannot be
 * read; `unclear` if the host gives no clear answer.
 */
export type UploadUrlState = "empty" | "in use" | "dead" | "unclear";

/** A call of the API that carries no secret and makes no upload. */
export interface StreamCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Follows `/accounts/{accountId}/stream`. Of checked parts only: it is called with the account's credential. */
  readonly path: string;
  readonly json?: object;
  /** The file of a form with this one field, `file`. */
  readonly file?: { readonly name: string; readonly type: string; readonly text: string };
  /** The answer is a text of this type, and no envelope. */
  readonly accept?: string;
}

/** Cloudflare Stream: creates uploads, and reads and deletes their videos. */
export interface StreamApi {
  /** Makes any other call. @returns the `result` of the envelope, or the text; `""` if there is no body */
  call(upstream: Upstream, call: StreamCall): Promise<Result<unknown>>;
  /** Whether Stream accepts the account and its credential: see `toAccountProblem`. */
  checkAccount(upstream: Upstream): Promise<Result<void>>;
  /** Creates a tus upload. */
  create(upstream: Upstream, creation: UpstreamCreation): Promise<StreamOutcome>;
  /** Creates a basic link: `location` accepts one form with the whole file. */
  createDirect(upstream: Upstream, creation: DirectUpload): Promise<StreamOutcome>;
  /** Makes a video without an upload: of a file at a URL, or of a part of another video. */
  make(upstream: Upstream, video: VideoToMake): Promise<StreamOutcome>;
  /** @returns this video; `undefined` if Stream gives no usable answer */
  video(upstream: Upstream, uid: string): Promise<StreamVideo | AbsentVideo | undefined>;
  /**
   * Lists the oldest videos created at or after a time, oldest first; with `only`, those created before another time, or of
   * one creator. Times are seconds since the epoch.
   *
   * @returns `undefined` if Stream does not answer; `unreadable` if it does, with a page that is too large or no list
   */
  listVideosFrom(
    upstream: Upstream,
    created: number,
    limit: number,
    only?: { readonly before?: number; readonly creator?: string },
  ): Promise<VideoList | "unreadable" | undefined>;
  /** The state of an upload URL. Calls the upload host, not the API. */
  uploadUrlState(location: string): Promise<UploadUrlState>;
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
