import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Gateway, startGateway } from "../../src/cli/gateway.ts";
import { registerLocalWebhook } from "../../src/cli/local-webhook.ts";
import { type LocalStreamOptions, startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";

export const OPERATOR_TOKEN = "operator-token-of-the-tests";

/** Settings of a gateway in front of this Stream. */
export function settingsFor(stream: LocalStream): Record<string, string> {
  return {
    OPERATOR_TOKEN,
    GRANT_KEYS: `g1:${Buffer.alloc(32, 1).toString("base64")}`,
    MASTER_KEYS: `m1:${Buffer.alloc(32, 2).toString("base64")}`,
    STREAM_API_BASE: stream.apiBase,
    STREAM_UPLOAD_HOSTS: stream.uploadHost,
    STREAM_ACCOUNT_ID: stream.accountId,
    STREAM_API_TOKEN: stream.token,
    ALLOW_LOOPBACK: "true",
  };
}

/** The built Worker and a Stream behind it, spoken to from outside by HTTP only. */
export interface TestGateway {
  readonly url: string;
  readonly stream: LocalStream;
  /** The Worker's log; one line per request. */
  readonly log: string[];
  /** A call to the operator's API; throws where it fails. */
  operator(method: string, path: string, body?: unknown): Promise<Record<string, string>>;
  /** Creates or replaces a tenant, and makes a key for it. */
  tenant(id: string, document?: object, key?: object): Promise<string>;
  stop(): Promise<void>;
}

export async function startTestGateway(
  settings: Readonly<Record<string, string>> = {},
  streamOptions: LocalStreamOptions = {},
): Promise<TestGateway> {
  const statePath = await mkdtemp(join(tmpdir(), "sluice-"));
  const stream = await startLocalStream(streamOptions);
  const log: string[] = [];
  // Stream has to know the address before the gateway, which has to know the secret, is there.
  const port = await freePort();
  const secret = await registerLocalWebhook(stream, `http://127.0.0.1:${port}`);
  stream.clearRequests();
  const gateway: Gateway = await startGateway({
    port,
    statePath,
    onLog: (line) => log.push(line),
    settings: { ...settingsFor(stream), STREAM_WEBHOOK_SECRETS: secret, ...settings },
  });

  async function operator(method: string, path: string, body?: unknown) {
    const answer = await fetch(`${gateway.url}/admin/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}`, "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? {} : await answer.json()) as Record<string, string>;
  }

  return {
    url: gateway.url,
    stream,
    log,
    operator,
    async tenant(id, document = {}, key = { name: "test" }) {
      await operator("PUT", `/tenants/${id}`, document);
      return (await operator("POST", `/tenants/${id}/keys`, key))["key"] ?? "";
    },
    async stop() {
      await gateway.stop();
      await stream.close();
      await rm(statePath, { recursive: true, force: true });
    },
  };
}

/** A port that is free, and will probably still be in a moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** A tus creation; headers that are undefined stay away. */
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

/** An `Upload-Metadata` header; null makes a bare key. */
export function metadataHeader(metadata: Readonly<Record<string, string | null>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => (value === null ? key : `${key} ${Buffer.from(value).toString("base64")}`))
    .join(",");
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

/** The headers of a creation as they came to Stream, lower-case names, last one wins. */
export function sentToStream(stream: LocalStream): Record<string, string> {
  const raw = stream.creations().at(-1)?.rawHeaders ?? [];
  const headers: Record<string, string> = {};
  for (let index = 0; index < raw.length; index += 2) headers[(raw[index] ?? "").toLowerCase()] = raw[index + 1] ?? "";
  return headers;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A request with headers as they are given, in order, twice if they are given twice: what `fetch` would not send. */
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

/** Sends the head of a request and never its body; gives the head of the answer. */
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
