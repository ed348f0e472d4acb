import type { IncomingMessage, ServerResponse } from "node:http";

/** An HTTP response; `body` is optional. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Limit of a JSON body, far above what any operation needs. [U] */
const MAX_BODY_BYTES = 1024 * 1024;
/** Limit of a form, above a file of captions. [U] */
const MAX_FORM_BYTES = 11 * 1024 * 1024;

export function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, headers);
  response.end(body);
}

/** Cloudflare's envelope for a success. [C] */
export function succeed(result: unknown, more: object = {}): Answer {
  return json(200, { result, success: true, errors: [], messages: [], ...more });
}

/** Cloudflare's envelope for a failure: the useful text is in `messages`. [C] */
export function fail(status: number, code: number, text: string, headers: Record<string, string> = {}): Answer {
  const failure = { code, message: TITLES[code] ?? "Error" };
  const body = { result: null, success: false, errors: [failure], messages: [{ code, message: text }] };
  return json(status, body, headers);
}

/** 10003, 10005, 10010 [C]; 10011 [S]; the others [U]. */
const TITLES: Readonly<Record<number, string>> = {
  971: "Please wait and consider throttling your request speed",
  10000: "Authentication error",
  10003: "Not Found",
  10005: "Bad Request",
  10010: "Invalid URL",
  10011: "Storage capacity exceeded",
};

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** The body exceeds its limit. */
export class BodyTooLarge extends Error {}

/** Reads the whole body. Throws `BodyTooLarge`. */
export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const isForm = request.headers["content-type"]?.startsWith("multipart/") ?? false;
  const maxBytes = isForm ? MAX_FORM_BYTES : MAX_BODY_BYTES;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) chunks.push(chunk); // the rest is read and dropped: stopping here would break the connection
  }
  if (bytes > maxBytes) throw new BodyTooLarge(`a body has at most ${maxBytes} bytes`);
  return Buffer.concat(chunks);
}
