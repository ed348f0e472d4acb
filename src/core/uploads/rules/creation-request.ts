import type { UploadMetadata } from "./metadata-value.ts";

/** A part of a video, in whole seconds. */
export interface Clip {
  /** The parent: its uid, or the id of its upload. */
  readonly of: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/**
 * Where the content of a video comes from: what its upload URL accepts is tus, or a single form with the whole file
 * (`direct-upload.ts`). A copy (`copy.ts`) and a clip (`clip.ts`) have no upload URL.
 */
export type CreationContent =
  | { readonly kind: "tus" | "direct" }
  /** The URL is a secret, since it may be signed. `fileName` is the last part of its path. */
  | { readonly kind: "copy"; readonly url: string; readonly fileName: string }
  | { readonly kind: "clip"; readonly clip: Clip };

/** A creation request, parsed but not yet checked against a policy. */
export type CreationRequest = CreationContent & {
  /** Bytes; 0 is valid. Absent: of a copy whose size is not said, and of a clip. */
  readonly length?: number;
  readonly metadata: UploadMetadata;
  /** The client's `Upload-Creator`, Stream's own header. */
  readonly creator?: string;
};
