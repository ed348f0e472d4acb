/**
 * The life of an upload, as the tenant's ledger keeps it. In this order: an upload never goes back, so that what Stream
 * says of it may come twice, late and in any order, and ends in the same state.
 *
 * - `reserved`: admitted; Stream has been or is being asked for an upload URL
 * - `unknown`: Stream was asked and nobody knows what it did; there may be a video, whose URL nobody has
 * - `issued`: the client has an upload URL
 * - `expired`: the upload URL died and nothing had been uploaded
 * - `failed`, `ready`: Stream has processed the video
 * - `deleted`: the video was ready, and is no longer at Stream
 * - `cancelled`: the tenant did not want it any longer
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
  "deleted",
  "cancelled",
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
}

/** What Stream says of a video, as far as it matters to its upload. */
export type VideoReport =
  /** There is no such video. */
  | { readonly kind: "absent" }
  /** There is an upload URL, and nothing has been uploaded. */
  | { readonly kind: "pending"; readonly uid: string }
  | { readonly kind: "processing"; readonly uid: string }
  /** `bytes`, where Stream says how large the file is. */
  | { readonly kind: "ready"; readonly uid: string; readonly seconds: number; readonly bytes?: number }
  /** `reason` is Stream's code. */
  | { readonly kind: "failed"; readonly uid: string; readonly reason?: string };

/** What may happen to an upload. */
export type UploadEvent =
  /** Stream has made the upload URL. */
  | { readonly kind: "issued" }
  /** Nobody knows whether it has. */
  | { readonly kind: "lost" }
  /** The upload URL is dead, and nothing had been uploaded. */
  | { readonly kind: "expired" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "reported"; readonly report: VideoReport };

/** The state of an upload after an event: the later one of where it is and where the event would take it. */
export function nextState(state: UploadState, event: UploadEvent): UploadState {
  const target = targetOf(state, event);
  return target && UPLOAD_STATES.indexOf(target) > UPLOAD_STATES.indexOf(state) ? target : state;
}

function targetOf(state: UploadState, event: UploadEvent): UploadState | undefined {
  switch (event.kind) {
    case "lost":
      return "unknown";
    case "issued":
    case "expired":
    case "cancelled":
      return event.kind;
    case "reported":
      switch (event.report.kind) {
        case "absent":
          return state === "ready" ? "deleted" : isLive(state) ? "expired" : undefined;
        case "ready":
        case "failed":
          return event.report.kind;
        case "pending":
        case "processing":
          return undefined;
        default:
          return event.report satisfies never;
      }
    default:
      return event satisfies never;
  }
}
