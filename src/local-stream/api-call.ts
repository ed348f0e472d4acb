import type { IncomingHttpHeaders } from "node:http";

/** A complete API call. It is carried out even if the connection breaks. */
export interface ApiCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** Every value of each header, names in lower case. */
  readonly headersDistinct: Readonly<Record<string, string[] | undefined>>;
  /** The body; `bytes` are those of a form. */
  readonly body: string;
  readonly bytes: Buffer;
}
