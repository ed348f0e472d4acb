import type { IncomingMessage, ServerResponse } from "node:http";

/** One answer; without a body, none is sent. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, headers);
  response.end(body);
}

/** Cloudflare's envelope of a success. */
export function succeed(result: unknown, more: object = {}): Answer {
  return json(200, { result, success: true, errors: [], messages: [], ...more });
}

/** Cloudflare's envelope of a failure: the useful text is in `messages`. [C] */
export function fail(status: number, code: number, text: string, headers: Record<string, string> = {}): Answer {
  const failure = { code, message: TITLES[code] ?? "Error" };
  const body = { result: null, success: false, errors: [failure], messages: [{ code, message: text }] };
  return json(status, body, headers);
}

const TITLES: Readonly<Record<number, string>> = {
  971: "Please wait and consider throttling your request speed",
  10000: "Authentication error",
  10003: "Not Found",
  10005: "Bad Request",
  10010: "Invalid URL",
  10011: "Storage capacity exceeded",
};

function json(status: number, body: object, headers: Record<string, string> = {}): Answer {
  return { status, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** The whole body as text; for small ones. */
export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
