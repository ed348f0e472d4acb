import type { Problem } from "../../shared/problem.ts";

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
