import type { UrlStorage } from "tus-js-client";
import type { UploadError } from "./upload-error.ts";

/** What the helper and the options for Uppy have in common. */
export interface GatewayOptions<F> {
  /** `https://<gateway>/v1/<tenant>/uploads` */
  readonly endpoint: string;
  /** Gets a grant for this file from your backend: once per file, and again if the grant has expired before it was used. */
  readonly getGrant: (file: F) => string | Promise<string>;
  /** More headers for the gateway. They are not sent to Stream's upload host, whose CORS may refuse them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes per request: 5 to 200 MiB, in multiples of 256 KiB. Default: 50 MiB. */
  readonly chunkSize?: number;
  /** How long to wait and try again, in sum and without progress, before the upload fails. Default: 300. */
  readonly maxWaitSeconds?: number;
}

export interface UploaderOptions extends GatewayOptions<File> {
  /**
   * Called to cancel an upload that an earlier page has created: its grant is gone, so your backend has to cancel it, with its
   * API key. Without this, such an upload ends when its URL expires.
   */
  readonly cancelEarlierUpload?: (uploadId: string) => unknown;
  /** Where uploads are remembered, without their grants. Default: tus-js-client's, which is the local storage. */
  readonly storage?: UrlStorage;
}

export interface Uploader {
  /** Starts to upload a file, or continues its upload that an earlier page has begun. */
  upload(file: File, options?: UploadOptions): BrowserUpload;
}

export interface UploadOptions {
  /** Default: `name` and `filetype` of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly onProgress?: (bytesSent: number, bytesTotal: number) => void;
  readonly onState?: (state: UploadState) => void;
}

export interface BrowserUpload {
  readonly state: UploadState;
  /** Resolves when all bytes are sent; rejects with an `UploadError`. */
  readonly done: Promise<UploadedFile>;
  pause(): void;
  resume(): void;
  /**
   * Cancels the upload, here and at the gateway. Rejects with an `UploadError` if the gateway does not do it: `grant_used` says
   * that the upload is finished. Without a response, call it again.
   */
  abort(): Promise<void>;
}

export type UploadState =
  /** Gets a grant and an upload URL, or finds out how much is uploaded already. */
  | { readonly name: "starting" }
  | { readonly name: "uploading" }
  /** Tries again at `until`, in milliseconds since the epoch; without it, as soon as the browser is online. */
  | { readonly name: "waiting"; readonly until?: number; readonly error: UploadError }
  | { readonly name: "paused" }
  | { readonly name: "uploaded" }
  | { readonly name: "failed"; readonly error: UploadError }
  | { readonly name: "cancelled" };

export interface UploadedFile {
  /** Sluice's id of the upload. */
  readonly id: string;
  /** Stream's id of the video. */
  readonly uid: string;
}
