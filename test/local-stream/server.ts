import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiLimit } from "./api-limit.ts";
import { StreamApi } from "./api.ts";
import { answerControl } from "./control.ts";
import type { Fault } from "./faults.ts";
import { type Answer, fail, send } from "./http.ts";
import { type RecordedRequest, Stream, type StreamSettings } from "./stream.ts";
import { UploadHost } from "./upload-host.ts";
import { type Video, describeVideo } from "./videos.ts";

export type LocalStreamOptions = Partial<StreamSettings> & {
  /** 0, the default: any that is free. */
  readonly port?: number;
};

/** A Cloudflare Stream on this machine. */
export interface LocalStream {
  /** Without a trailing slash. */
  readonly url: string;
  /** What stands in for https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** `host:port` of the upload URLs. */
  readonly uploadHost: string;
  readonly accountId: string;
  readonly token: string;
  readonly email: string;
  readonly globalKey: string;
  /** What has come in, in order. */
  requests(): readonly RecordedRequest[];
  /** Only creations, which is what the gateway sends. */
  creations(): readonly RecordedRequest[];
  /** As the API shows them, newest first. */
  videos(): ReturnType<typeof describeVideo>[];
  /** Waits until a video is `ready` or in `error`. */
  settled(uid: string): Promise<ReturnType<typeof describeVideo>>;
  addFault(fault: Fault): void;
  /** Lets an upload URL die now. */
  expire(uid: string): void;
  /** Lets time pass. */
  advance(milliseconds: number): void;
  reset(): void;
  close(): Promise<void>;
}

const DEFAULTS = {
  accountId: "0123456789abcdef0123456789abcdef",
  token: "local-stream-token",
  email: "operator@example.com",
  globalKey: "local-stream-global-key",
  watermarks: ["ea95132c15732412d22c1476fa83f27a"],
  storageSeconds: 1_000 * 3_600,
  apiLimit: 1_200,
  processingMs: 50,
} as const satisfies Omit<StreamSettings, "dataDir">;

/** Long enough for a large file on a slow machine. */
const SETTLE_TIMEOUT_MS = 60_000;

/** Starts a Stream on 127.0.0.1. Without a `dataDir` its data go when it is closed. Rejects where the port is taken. */
export async function startLocalStream({ port = 0, ...options }: LocalStreamOptions = {}): Promise<LocalStream> {
  const temporary = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), "local-stream-")) : undefined;
  const settings = { ...DEFAULTS, ...options, dataDir: options.dataDir ?? temporary ?? "" };
  const stream = new Stream(settings);
  const uploadHost = new UploadHost(stream);
  const limit = new ApiLimit(settings.apiLimit, () => stream.now());
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error);
      send(response, fail(500, 10500, "Internal error"));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new Error(`Port ${port} is taken.`) : error);
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = `http://${host}`;
  const urlOf = ({ kind, uploadId }: Video) =>
    kind === "tus" ? `${url}/tus/${uploadId}?tusv2=true` : `${url}/basic/${uploadId}`;
  const api = new StreamApi(stream, urlOf);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = new URL(request.url ?? "/", url);
    const [, area = "", id = ""] = target.pathname.split("/");
    if (area === "_control") return send(response, await answerControl(control, request, target));
    stream.record({
      at: stream.now(),
      method: request.method ?? "",
      url: request.url ?? "",
      rawHeaders: request.rawHeaders,
    });
    if (area === "tus" || area === "basic") return uploadHost.handle(request, response, id);
    if (area === "client") return handleApi(request, response, target);
    return send(response, fail(404, 10003, "no such path"));
  }

  async function handleApi(request: IncomingMessage, response: ServerResponse, target: URL): Promise<void> {
    const creation = request.method === "POST" && target.pathname.endsWith("/stream");
    const fault = stream.faults.take(creation ? "create" : "api");
    if (fault?.kind === "latency") await sleep(fault.milliseconds ?? 0);
    if (fault?.kind === "reset") return void request.socket.destroy();
    if (fault?.kind === "status") return send(response, statusOf(fault));

    const answer = limit.count() ?? (await api.answer(request, target));
    const video = creation ? stream.videos.get(answer.headers?.["stream-media-id"] ?? "") : undefined;
    if (video) await uploadHost.prepare(video);
    if (fault?.kind === "reset-after") return void request.socket.destroy();
    send(response, fault && video ? altered(answer, fault) : answer);
  }

  const control = {
    requests: () => stream.requests,
    creations: () => stream.requests.filter(({ method, url }) => method === "POST" && /\/stream\?/.test(url)),
    videos: () => stream.videos.all().map(describeVideo),
    async settled(uid: string) {
      const deadline = Date.now() + SETTLE_TIMEOUT_MS;
      for (;;) {
        const video = stream.videos.get(uid);
        if (video?.state === "ready" || video?.state === "error") return describeVideo(video);
        if (Date.now() > deadline) throw new Error(`Video ${uid} is still ${video?.state ?? "unknown"}.`);
        await sleep(20);
      }
    },
    addFault: (fault: Fault) => stream.faults.add(fault),
    expire(uid: string) {
      const video = stream.videos.get(uid);
      if (video) stream.videos.update(video, { uploadExpiry: stream.now() });
    },
    advance(milliseconds: number) {
      stream.clockOffsetMs += milliseconds;
    },
    reset() {
      stream.reset();
      limit.clear();
    },
  };

  const { accountId, token, email, globalKey } = settings;
  return {
    ...control,
    url,
    apiBase: `${url}/client/v4`,
    uploadHost: host,
    accountId,
    token,
    email,
    globalKey,
    async close() {
      stream.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    },
  };
}

function statusOf({ status = 500, headers, body = "" }: Fault): Answer {
  return { status, ...(headers && { headers }), body };
}

/** A creation's answer with something wrong in it. */
function altered(answer: Answer, fault: Fault): Answer {
  const { Location: url = "", ...rest } = answer.headers ?? {};
  switch (fault.kind) {
    case "location": {
      const headers = fault.location === undefined ? rest : { ...rest, Location: fault.location.replace("{url}", url) };
      return { ...answer, headers };
    }
    case "uid":
      return { ...answer, headers: { ...answer.headers, "stream-media-id": fault.uid ?? "" } };
    default:
      return answer;
  }
}
