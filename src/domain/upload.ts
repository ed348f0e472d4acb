/**
 * The life of an upload, as the tenant's ledger keeps it.
 *
 * - `reserved`: admitted; Stream has been or is being asked for an upload URL
 * - `unknown`: Stream was asked and nobody knows what it did; there may be a video, whose URL nobody has
 * - `issued`: the client has an upload URL
 * - `ready`, `failed`: Stream has processed the video
 * - `expired`: the upload URL died and nothing had been uploaded
 * - `cancelled`: the tenant did not want it any longer
 *
 * A reservation that Stream certainly refused leaves nothing behind.
 */
export const UPLOAD_STATES = ["reserved", "unknown", "issued", "ready", "failed", "expired", "cancelled"] as const;

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

/** What Stream says of a video, as far as it settles an upload. */
export type VideoReport =
  | { readonly kind: "absent" }
  /** There is an upload URL, and nothing has been uploaded. */
  | { readonly kind: "pending"; readonly uid: string }
  | { readonly kind: "processing"; readonly uid: string }
  | { readonly kind: "ready"; readonly uid: string; readonly seconds: number }
  | { readonly kind: "failed"; readonly uid: string };

/** What is to be done with a live upload whose URL should be dead by now. */
export type Settlement =
  | { readonly kind: "settle"; readonly state: "ready"; readonly uid: string; readonly seconds: number }
  | { readonly kind: "settle"; readonly state: "failed" | "expired"; readonly uid?: string }
  /** The bytes came in time; ask again later. */
  | { readonly kind: "wait" }
  /** A video that nobody can upload to any more: away with it, then it has expired. */
  | { readonly kind: "delete"; readonly uid: string };

/** Decides what becomes of an upload by what Stream says after its time is over. */
export function settleDue(report: VideoReport): Settlement {
  switch (report.kind) {
    case "absent":
      return { kind: "settle", state: "expired" };
    case "pending":
      return { kind: "delete", uid: report.uid };
    case "processing":
      return { kind: "wait" };
    case "ready":
      return { kind: "settle", state: "ready", uid: report.uid, seconds: report.seconds };
    case "failed":
      return { kind: "settle", state: "failed", uid: report.uid };
    default:
      return report satisfies never;
  }
}
