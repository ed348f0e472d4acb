/** Settings of a local Stream. Every setting has a default. */
export interface StreamSettings {
  /** At most 32 characters. [C] */
  readonly accountId: string;
  readonly token: string;
  /** With `globalKey`, the other scheme of authentication. */
  readonly email: string;
  readonly globalKey: string;
  /** Uids of the account's watermark profiles. */
  readonly watermarks: readonly string[];
  /** Seconds of video storage that the account has. */
  readonly storageSeconds: number;
  /** API calls in any `apiWindowMs`; one more blocks all calls for `apiBlockMs`. */
  readonly apiLimit: number;
  readonly apiWindowMs: number;
  readonly apiBlockMs: number;
  /** Videos that may be queued or encoding when an upload URL is created. */
  readonly maxQueued: number;
  /** Milliseconds in each of the states `queued` and `inprogress`. */
  readonly processingMs: number;
  /** Whether a clip keeps the options and the `meta` of its parent, whatever the call says. Unknown for Stream. [U] */
  readonly clipsKeepOptions: boolean;
  /** Whether an upload in progress may continue after its URL has expired. Unknown for Stream. [U] */
  readonly startedMayFinish: boolean;
  /** Whether a browser may send `Authorization` to the upload host. Some hosts refuse it. [U] */
  readonly uploadHostAllowsAuthorization: boolean;
}

const FIVE_MINUTES_MS = 300_000;

export const DEFAULTS: StreamSettings = {
  accountId: "0123456789abcdef0123456789abcdef",
  token: "local-stream-token",
  email: "operator@example.com",
  globalKey: "local-stream-global-key",
  watermarks: ["ea95132c15732412d22c1476fa83f27a"],
  storageSeconds: 1_000 * 3_600,
  apiLimit: 1_200, // [C]
  apiWindowMs: FIVE_MINUTES_MS, // [C]
  apiBlockMs: FIVE_MINUTES_MS, // [C]
  maxQueued: 120, // [C]
  processingMs: 50,
  clipsKeepOptions: false,
  startedMayFinish: false,
  uploadHostAllowsAuthorization: false,
};
