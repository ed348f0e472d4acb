import { request as httpRequest } from "node:http";
import { type Socket, connect } from "node:net";

/** Sends a tus creation, without the headers that are undefined. */
export function create(
  url: string,
  tenant: string,
  headers: Readonly<Record<string, string | undefined>>,
  init: RequestInit = {},
): Promise<Response> {
  const all = { "Tus-Resumable": "1.0.0", "Upload-Length": "1000", ...headers };
  const sent = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined);
  return fetch(`${url}/v1/${tenant}/uploads`, { method: "POST", ...init, headers: Object.fromEntries(sent) });
}

export function bearer(credential: string): { Authorization: string } {
  return { Authorization: `Bearer ${credential}` };
}

export interface ProblemBody {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly key?: string;
}

export async function problemOf(answer: Response): Promise<ProblemBody> {
  return (await answer.json()) as ProblemBody;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Sends a request with exactly these headers, in this order, duplicates included; `fetch` would change them. */
export function rawRequest(method: string, url: string, headers: string[], body?: Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { host } = new URL(url);
    const request = httpRequest(url, { method, headers: ["Host", host, ...headers] }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Sends the head of a request without its body and returns the head of the answer. */
export function sendHead(url: string, requestLine: string, headers: readonly string[]): Promise<string> {
  const { hostname, port, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write([`${requestLine} HTTP/1.1`, `Host: ${host}`, ...headers, "", ""].join("\r\n"));
    });
    let received = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      received += text;
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      resolve(received.slice(0, end + 2));
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`The connection was closed after ${JSON.stringify(received)}`)));
  });
}

export interface OpenRequest {
  readonly socket: Socket;
  /** All that was received so far. */
  received(): string;
  /** Resolves to all that was received when it matches, rejects if the connection is closed before. */
  receive(pattern: RegExp): Promise<string>;
  /** Resolves to all that was received when the gateway closes the connection. */
  readonly closed: Promise<string>;
}

/** Sends the head of a request and the beginning of its body, and leaves the connection open. */
export function openRequest(url: string, requestLine: string, headers: readonly string[], body: string): OpenRequest {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  // A broken connection is seen by what is missing.
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(received)));
  socket.write([`${requestLine} HTTP/1.1`, `Host: ${host}`, ...headers, "", body].join("\r\n"));
  return {
    socket,
    received: () => received,
    receive: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => pattern.test(received) && resolve(received);
        socket.on("data", check);
        check();
        void closed.then((all) => reject(new Error(`The connection was closed after ${JSON.stringify(all)}`)));
      }),
    closed,
  };
}
