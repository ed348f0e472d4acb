/** What the page can do with the file that is chosen in it. */
export interface PageActions {
  /** Uploads it as docs/clients.md shows it for Uppy. */
  uploadByUppy(endpoint: string, grant: string): Promise<Uploaded>;
  /** Uploads it as the docs show for tus-js-client. */
  uploadByTus(options: TusOptions): Promise<Uploaded>;
  /** Starts to upload each chosen file with `sluice/browser`. Grants come from the exposed function `getGrant`. */
  startHelper(options: HelperOptions): Promise<void>;
  /** What has become of each file; waits for the end. */
  helperOutcomes(): Promise<HelperOutcome[]>;
  /** The states of the first file so far. */
  helperStates(): Promise<string[]>;
  pauseHelper(): Promise<void>;
  resumeHelper(): Promise<void>;
  /** Resolves with the code of the error, if any. */
  abortHelper(): Promise<string | undefined>;
  /** Adds the chosen files to Uppy, with `uppyTusOptions`. Grants come from the exposed function `getGrant`. */
  startUppyHelper(options: HelperOptions): Promise<void>;
  /** Names of the files that Uppy has uploaded, and the codes of its errors, at the end. */
  uppyOutcome(): Promise<{ readonly uploaded: string[]; readonly errors: string[]; readonly waits: number[] }>;
  removeFirstUppyFile(): Promise<void>;
  /** Everything in the local storage. */
  storage(): Promise<string>;
}

export interface HelperOptions {
  readonly endpoint: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxWaitSeconds?: number;
  /** Passes `cancelEarlierUpload`, by the exposed function of this name. */
  readonly cancelsEarlier?: boolean;
}

export type HelperOutcome =
  | { readonly id: string; readonly uid: string }
  | {
      readonly code: string;
      readonly status: number | undefined;
      readonly retryAfterSeconds: number | undefined;
    };

export interface TusOptions {
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Sent as `Authorization`, to the endpoint only. */
  readonly token?: string;
  /** Other headers for the endpoint only. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Stops after the first chunk, like a page that is closed. */
  readonly isInterrupted?: boolean;
  /** Uploads that many zeros in the place of the chosen file, and sends all of them with the creation as well. */
  readonly bytesDuringCreation?: number;
}

export type Uploaded =
  | { readonly outcome: "uploaded" | "interrupted"; readonly url: string }
  | {
      readonly outcome: "refused";
      /** 0: the page cannot read the response. */
      readonly status: number;
      readonly body: string;
      readonly headers: Readonly<Record<string, string | undefined>>;
    };

/** Stream's minimum, so that a file of a few chunks takes several requests. */
export const CHUNK_BYTES = 5 * 1024 * 1024;
/** Headers of a refusal that the page can read. */
export const READ_HEADERS = ["Retry-After", "RateLimit", "WWW-Authenticate", "X-Request-ID"] as const;
