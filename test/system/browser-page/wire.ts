/** What a page of the tests can be asked to do with the file that has been chosen in it. */
export interface PageActions {
  /** Uploads it as docs/clients.md shows it for Uppy. */
  uploadByUppy(endpoint: string, grant: string): Promise<Uploaded>;
  /** Uploads it as the README shows it for tus-js-client. */
  uploadByTus(options: TusOptions): Promise<Uploaded>;
}

export interface TusOptions {
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Sent as `Authorization`, to the endpoint alone. */
  readonly token?: string;
  /** Ends after the first chunk, as if the page had been closed. */
  readonly isInterrupted?: boolean;
}

export type Uploaded =
  | { readonly outcome: "uploaded" | "interrupted"; readonly url: string }
  | {
      readonly outcome: "refused";
      /** 0: the page may not know. */
      readonly status: number;
      readonly body: string;
      readonly headers: Readonly<Record<string, string | undefined>>;
    };

/** Stream's least; a file of a few of them takes several requests. */
export const CHUNK_BYTES = 5 * 1024 * 1024;
/** Of a refusal, as far as the page may read them. */
export const READ_HEADERS = ["Retry-After", "RateLimit", "WWW-Authenticate", "X-Request-ID"] as const;
