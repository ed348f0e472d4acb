import type { Problem } from "../../shared/problem.ts";
import type { StreamClip } from "../../uploads/rules/clip.ts";
import type { StreamCopy } from "../../uploads/rules/copy.ts";
import type { StreamVideo } from "./video.ts";

/** A tus creation, as it is sent to Stream. */
export interface UpstreamCreation {
  /** Bytes. */
  readonly length: number;
  /** The value of the `Upload-Metadata` header. */
  readonly metadata: string;
  readonly creator?: string;
}

/** A copy or a clip, as it is sent to Stream. */
export type VideoToMake =
  | { readonly kind: "copy"; readonly body: StreamCopy }
  | { readonly kind: "clip"; readonly body: StreamClip };

/** Outcome of a creation. `status` is Stream's, if it answered. */
export type StreamOutcome =
  | { readonly kind: "created"; readonly status: number; readonly uid: string; readonly location: string }
  /** A copy or a clip, which has no upload URL. */
  | { readonly kind: "made"; readonly status: number; readonly uid: string; readonly video: StreamVideo }
  /** There is definitely no video. */
  | { readonly kind: "refused"; readonly status?: number; readonly problem: Problem }
  /** There may be a video, but no client has its URL. With a uid, there is that video. */
  | { readonly kind: "unknown"; readonly status?: number; readonly uid?: string; readonly problem: Problem };
