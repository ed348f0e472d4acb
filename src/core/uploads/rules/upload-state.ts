/**
 * The life of an upload, as the tenant's ledger keeps it. In this order: an upload never goes back, so that what Stream
 * says of it may come twice, late and in any order, and ends in the same state. With one exception: a video that had
 * disappeared may be there again.
 *
 * - `reserved`: admitted; Stream has been or is being asked for an upload URL
 * - `unknown`: Stream was asked and nobody knows what it did; there may be a video, whose URL nobody has
 * - `issued`: the client has an upload URL
 * - `expired`: the upload URL died and nothing had been uploaded
 * - `failed`, `ready`: Stream has processed the video
 * - `cancelled`: the tenant did not want it, before it was ready; or nobody could be given its URL
 * - `deleted`: it was ready, and then the tenant did not want it any longer, or it disappeared from Stream
 *
 * A reservation that Stream certainly refused leaves nothing behind.
 */
export const UPLOAD_STATES = [
  "reserved",
  "unknown",
  "issued",
  "expired",
  "failed",
  "ready",
  "cancelled",
  "deleted",
] as const;

export type UploadState = (typeof UPLOAD_STATES)[number];

/** States in which an upload holds a reservation: its URL is, or may be, alive. */
export const LIVE_STATES = ["reserved", "unknown", "issued"] as const satisfies readonly UploadState[];

export function isLive(state: UploadState): boolean {
  return LIVE_STATES.some((live) => live === state);
}

/** What an upload counts for. */
export interface UploadSize {
  readonly bytes: number;
  /** Of video: reserved while it is live, real once it is ready. */
  readonly seconds: number;
}

/** An upload as its tenant may see it. Times are seconds since the epoch. */
export interface Upload extends UploadSize {
  readonly id: string;
  readonly state: UploadState;
  /** Stream's identifier of the video; unknown until Stream has answered. */
  readonly uid?: string;
  readonly creator?: string;
  readonly created: number;
  /** When the upload URL dies. */
  readonly expires: number;
  /** Why Stream could not process the video, by its code: `ERR_NON_VIDEO`, … */
  readonly failure?: string;
  /** How often its video was there again after it had disappeared. */
  readonly returns: number;
}

/** What Stream says of a video, as far as it matters to its upload. */
export type VideoReport =
  /** There is no such video. */
  | { readonly kind: "absent" }
  /** There is an upload URL, and nothing has been uploaded. */
  | { readonly kind: "pending"; readonly uid: string }
  | { readonly kind: "processing"; readonly uid: string }
  /** How long and how large the file is, where Stream says it. */
  | { readonly kind: "ready"; readonly uid: string; readonly seconds?: number; readonly bytes?: number }
  /** `reason` is Stream's code. */
  | { readonly kind: "failed"; readonly uid: string; readonly reason?: string };

export type ExistingVideo = Exclude<VideoReport, { kind: "absent" }>;
type ReadyVideo = Extract<VideoReport, { kind: "ready" }>;

/** What may happen to an upload. */
export type UploadTransition =
  /** Stream has made the upload URL. */
  | { readonly kind: "issued"; readonly uid: string }
  /** Nobody knows whether it has. */
  | { readonly kind: "lost" }
  /** The upload URL is dead, and nothing had been uploaded. */
  | { readonly kind: "expired" }
  /** With a uid: nobody could be given the URL of that video, which Stream has made. */
  | { readonly kind: "cancelled"; readonly uid?: string }
  | { readonly kind: "reported"; readonly report: VideoReport }
  /** The video had disappeared, and Stream has it: seen there now, and not told late. */
  | { readonly kind: "returned"; readonly report: ReadyVideo };

/** What of an upload an event may change. */
export interface UploadProgress extends UploadSize, Pick<Upload, "state" | "uid" | "failure" | "returns"> {
  /**
   * The tenant has asked for the video to go. Only then is it deleted at Stream, whatever else has become of it; but for a
   * video whose URL nobody ever had, which is the gateway's own.
   */
  readonly unwanted: boolean;
  /** Whether bytes and seconds are what Stream has measured, and no longer what was reserved. */
  readonly measured: { readonly [Size in keyof UploadSize]: boolean };
}

/** It was ready, and has disappeared from Stream without having been asked to. */
export function isMissingUpstream({ state, unwanted }: Pick<UploadProgress, "state" | "unwanted">): boolean {
  return state === "deleted" && !unwanted;
}

/** The upload after an event: in the later one of the state it is in and the one that the event would bring it to. */
export function transition(upload: UploadProgress, event: UploadTransition): UploadProgress {
  const target = nextState(upload.state, event);
  const later = target !== undefined && UPLOAD_STATES.indexOf(target) > UPLOAD_STATES.indexOf(upload.state);
  const isBack = event.kind === "returned" && isMissingUpstream(upload);
  const state = isBack ? "ready" : later ? target : upload.state;
  const report = "report" in event && event.report.kind !== "absent" ? event.report : undefined;
  const uid = upload.uid ?? ("uid" in event ? event.uid : report?.uid);
  const failure = upload.failure ?? (report?.kind === "failed" ? report.reason : undefined);
  return {
    ...sizeAfter(upload, report),
    state,
    unwanted: upload.unwanted || event.kind === "cancelled",
    returns: upload.returns + (isBack ? 1 : 0),
    ...(uid !== undefined && { uid }),
    ...(state === "failed" && failure !== undefined && { failure }),
  };
}

/** What was reserved, until Stream has measured it; if it says so twice, the larger one, whichever came first. */
function sizeAfter(
  { bytes, seconds, measured }: UploadProgress,
  report: VideoReport | undefined,
): Pick<UploadProgress, "bytes" | "seconds" | "measured"> {
  if (report?.kind !== "ready") return { bytes, seconds, measured };
  return {
    bytes: Math.max(report.bytes ?? bytes, measured.bytes ? bytes : 0),
    seconds: Math.max(report.seconds ?? seconds, measured.seconds ? seconds : 0),
    measured: {
      bytes: measured.bytes || report.bytes !== undefined,
      seconds: measured.seconds || report.seconds !== undefined,
    },
  };
}

function nextState(state: UploadState, event: UploadTransition): UploadState | undefined {
  switch (event.kind) {
    case "issued":
    case "expired":
      return event.kind;
    case "lost":
      return "unknown";
    case "cancelled":
      return state === "ready" ? "deleted" : "cancelled";
    case "reported":
    case "returned":
      return reportedState(state, event.report);
    default:
      return event satisfies never;
  }
}

function reportedState(state: UploadState, { kind }: VideoReport): UploadState | undefined {
  switch (kind) {
    case "absent":
      if (state === "ready") return "deleted";
      return isLive(state) ? "expired" : undefined;
    case "ready":
      return state === "cancelled" ? "deleted" : "ready";
    case "failed":
      return "failed";
    case "pending":
    case "processing":
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** What becomes at Stream of uploads that nobody has finished. */
export type UnfinishedUploads = "delete" | "keep";

/** What is to be done about an upload whose time has come, and of which Stream has a video. */
export type DueAction =
  /** What Stream says settles it. */
  | "settle"
  /** Bytes are being processed, or may still come: ask again later. */
  | "wait"
  /** Its URL is dead and nothing was uploaded; the empty video stays at Stream. */
  | "expire"
  /** Away with the video: nobody wants it, or nobody can upload to it any more. */
  | "delete";

/**
 * @param unwanted the video has to go, whatever has become of it
 * @param urlIsDead the upload's time is over, so that nobody can upload to the video any more
 */
export function decideDueAction(
  unwanted: boolean,
  { kind }: ExistingVideo,
  urlIsDead: boolean,
  unfinished: UnfinishedUploads,
): DueAction {
  if (unwanted) return "delete";
  switch (kind) {
    case "pending":
      if (!urlIsDead) return "wait";
      return unfinished === "delete" ? "delete" : "expire";
    case "processing":
      return "wait";
    case "ready":
    case "failed":
      return "settle";
    default:
      return kind satisfies never;
  }
}
