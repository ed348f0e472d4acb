import type { Owner } from "../../auth/rules/person-key.ts";
import type { Correlation } from "./correlation.ts";

/**
 * The states of an upload, in order. An upload only moves forward, so Stream notifications may arrive twice, late and in
 * any order and lead to the same state. The one exception: a missing video that reappears at Stream.
 *
 * - `reserved`: admitted; the creation at Stream is in progress
 * - `unknown`: a lost creation: Stream may have a video, but no client has its URL
 * - `issued`: the client has an upload URL
 * - `expired`: the upload URL expired before any upload; or a lost creation whose video was not found
 * - `failed`, `ready`: Stream has processed the video
 * - `cancelled`: cancelled by the tenant before it was ready; or a lost creation that a repeat superseded, or whose video is
 *   deleted
 * - `deleted`: was ready, then deleted by the tenant or missing at Stream
 *
 * A reservation that Stream definitely rejected is removed.
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

/** The upload is over: its video was processed. Only the tenant's backend deletes it. */
export function isFinished(state: UploadState): boolean {
  return state === "ready" || state === "failed" || state === "deleted";
}

/** The size that an upload counts with. */
export interface UploadSize {
  readonly bytes: number;
  /** Of video: the reservation while the upload is live, the real duration once it is ready. */
  readonly seconds: number;
}

/** What makes a video that has no upload URL: Stream fetches its file from a URL, or takes a part of another video. */
export type VideoSource = "copy" | "clip";

/** An upload as its tenant may see it. Times are seconds since the epoch. */
export interface Upload extends UploadSize, Correlation, Owner {
  readonly id: string;
  readonly state: UploadState;
  /** Stream's identifier of the video; undefined until Stream has returned it. */
  readonly uid?: string;
  readonly created: number;
  /** Expiry of the upload URL. Of a copy or a clip: see `UNREPORTED_SECONDS`. */
  readonly expires: number;
  /** Absent: bytes are uploaded. */
  readonly source?: VideoSource;
  /** The uid of the video that a clip was made of. */
  readonly clippedFrom?: string;
  /** Stream's code for a failed video: `ERR_NON_VIDEO`, … */
  readonly failure?: string;
  /** How often its events began a new round of numbers: with each edit that shows, and each time its missing video reappeared. */
  readonly rounds: number;
}

/** What Stream reports about a video, reduced to what its upload needs. */
export type VideoReport =
  /** The video does not exist. */
  | { readonly kind: "absent" }
  /** The upload URL exists; nothing has been uploaded. */
  | { readonly kind: "pending"; readonly uid: string }
  /** With the duration and file size, where Stream reports them. */
  | { readonly kind: "processing"; readonly uid: string; readonly seconds?: number; readonly bytes?: number }
  | { readonly kind: "ready"; readonly uid: string; readonly seconds?: number; readonly bytes?: number }
  /** `reason` is Stream's code. */
  | { readonly kind: "failed"; readonly uid: string; readonly reason?: string };

export type ExistingVideo = Exclude<VideoReport, { kind: "absent" }>;
type ReadyVideo = Extract<VideoReport, { kind: "ready" }>;

export type UploadTransition =
  /** Stream returned the upload URL. Only a reserved upload is issued. */
  | { readonly kind: "issued"; readonly uid: string }
  /** The answer to the creation was lost: whether Stream has a video is not known. */
  | { readonly kind: "lost" }
  /** A repeat of the creation takes the place of this lost one. */
  | { readonly kind: "superseded" }
  /** The upload URL expired before any upload. */
  | { readonly kind: "expired" }
  | { readonly kind: "cancelled" }
  /** Stream has a video whose URL no client has, and none will get. */
  | { readonly kind: "unreachable"; readonly uid: string }
  | { readonly kind: "reported"; readonly report: VideoReport }
  /** A missing video is at Stream again. Only for a video that Stream lists now: a late notification is no proof. */
  | { readonly kind: "restored"; readonly report: ReadyVideo };

/** The fields of an upload that a transition may change. */
export interface UploadProgress extends UploadSize, Pick<Upload, "state" | "uid" | "failure" | "rounds" | "source"> {
  /**
   * The tenant cancelled or deleted the upload, or the gateway cancelled it because its URL could not be handed out. A video
   * with content is deleted at Stream only if this is set.
   */
  readonly deletionRequested: boolean;
  /** The answer to the creation was lost, so no client has the upload URL. */
  readonly lost: boolean;
  /** Whether bytes and seconds were measured by Stream, and are no longer the reservation. */
  readonly measured: { readonly [Size in keyof UploadSize]: boolean };
}

/** The video was ready and has since disappeared from Stream without a deletion request. */
export function isMissingUpstream({
  state,
  deletionRequested,
}: Pick<UploadProgress, "state" | "deletionRequested">): boolean {
  return state === "deleted" && !deletionRequested;
}

/** Transitions after which the video has to be deleted. */
const CANCELLING: ReadonlySet<UploadTransition["kind"]> = new Set(["cancelled", "superseded", "unreachable"]);
/** Transitions of uploads whose URL no client has. */
const LOSING: ReadonlySet<UploadTransition["kind"]> = new Set(["lost", "superseded", "unreachable"]);

/** The code of a copy that is larger or longer than was decided: Stream cannot be told how much it may fetch. */
export const POLICY_FAILURE = "ERR_SLUICE_POLICY";

/** The upload after a transition: in its current state or the state that the transition leads to, whichever is later. */
export function applyTransition(upload: UploadProgress, transition: UploadTransition): UploadProgress {
  const report = "report" in transition && transition.report.kind !== "absent" ? transition.report : undefined;
  const isUnreachable = upload.lost && report !== undefined;
  const isTooLarge = exceedsReservation(upload, report);
  const target = targetState(upload.state, transition, { isUnreachable, isTooLarge });
  const isLater = target !== undefined && UPLOAD_STATES.indexOf(target) > UPLOAD_STATES.indexOf(upload.state);
  const isRestored = transition.kind === "restored" && isMissingUpstream(upload) && !isTooLarge;
  const state = isRestored ? "ready" : isLater ? target : upload.state;
  const uid = upload.uid ?? ("uid" in transition ? transition.uid : report?.uid);
  const reason = report?.kind === "failed" ? report.reason : undefined;
  const failure = upload.failure ?? (isTooLarge ? POLICY_FAILURE : reason);
  return {
    ...sizeAfter(upload, isTooLarge ? undefined : report),
    ...(upload.source && { source: upload.source }),
    state,
    deletionRequested: upload.deletionRequested || CANCELLING.has(transition.kind) || isUnreachable || isTooLarge,
    lost: upload.lost || (LOSING.has(transition.kind) && upload.state !== "issued"),
    rounds: upload.rounds + (isRestored ? 1 : 0),
    ...(uid !== undefined && { uid }),
    ...(state === "failed" && failure !== undefined && { failure }),
  };
}

/**
 * Whether a copy is larger or longer than was decided, by a report on what was not measured before. A clip is as long as it was
 * decided: Stream is told its start and end.
 */
function exceedsReservation(
  { source, failure, bytes, seconds, measured }: UploadProgress,
  report: VideoReport | undefined,
): boolean {
  if (source !== "copy" || (report?.kind !== "processing" && report?.kind !== "ready")) return false;
  const isLarger = !measured.bytes && (report.bytes ?? 0) > bytes;
  const isLonger = !measured.seconds && (report.seconds ?? 0) > seconds;
  // Its video is being deleted, whatever a later report says.
  return isLarger || isLonger || failure === POLICY_FAILURE;
}

function targetState(
  state: UploadState,
  transition: UploadTransition,
  { isUnreachable, isTooLarge }: { readonly isUnreachable: boolean; readonly isTooLarge: boolean },
): UploadState | undefined {
  // No client has the URL of a lost creation, so its video is unwanted in any state: Stream processes even an empty file.
  if (isUnreachable) return "cancelled";
  if (isTooLarge) return state === "ready" ? "deleted" : "failed";
  return nextState(state, transition);
}

/** The reservation until Stream has measured the video. Of two measurements the larger counts, whichever came first. */
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

function nextState(state: UploadState, transition: UploadTransition): UploadState | undefined {
  switch (transition.kind) {
    case "issued":
      return state === "reserved" ? "issued" : undefined;
    case "expired":
      return "expired";
    case "lost":
      return state === "reserved" ? "unknown" : undefined;
    case "cancelled":
    case "superseded":
    case "unreachable":
      return state === "ready" ? "deleted" : "cancelled";
    case "reported":
    case "restored":
      return reportedState(state, transition.report);
    default:
      return transition satisfies never;
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

/** Whether a lost creation ended without a video: nobody could ever use it, so it counts for nothing. */
export function isLostAndOver({
  state,
  lost,
}: {
  readonly state: UploadState;
  readonly lost?: boolean | number;
}): boolean {
  return Boolean(lost) && (state === "expired" || state === "cancelled");
}

/** Whether the video of a lost creation has to be searched for: no client has its URL, and its uid is not known. */
export function isVideoLost({ lost, uid }: Pick<UploadProgress, "lost" | "uid">): boolean {
  return lost && uid === undefined;
}

/** What happens at Stream to the empty videos of uploads that no client finished. */
export type UnfinishedUploads = "delete" | "keep";

/** What to do about a due upload whose video exists at Stream. */
export type DueAction =
  /** Apply Stream's report. */
  | "settle"
  /** The video is being processed, or bytes may still arrive: check again later. */
  | "wait"
  /** The URL expired before any upload; keep the empty video at Stream. */
  | "expire"
  /** Delete the video: its URL expired before any upload. */
  | "delete";

/** @param urlIsDead the upload URL has expired and no upload is running */
export function decideDueAction({ kind }: ExistingVideo, urlIsDead: boolean, unfinished: UnfinishedUploads): DueAction {
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
