import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StreamApi } from "./api.ts";
import { answerControl } from "./control.ts";
import type { Fault } from "./faults.ts";
import { type Answer, BodyTooLarge, fail, readBytes, send } from "./http.ts";
import { DEFAULTS, type StreamSettings } from "./options.ts";
import { PlaybackHost } from "./playback-host.ts";
import { answerOfFault } from "./refusals.ts";
import { Stream } from "./stream.ts";
import { UploadHost } from "./upload-host.ts";
import type { LocalStream } from "./local-stream.ts";

export type LocalStreamOptions = Partial<StreamSettings> & {
  /** Port on 127.0.0.1. Default: 0, any free port. */
  readonly port?: number;
  /** Folder for state that survives a restart. Default: a temporary folder, removed on close. */
  readonly dataDir?: string;
};

/** Enough for a large file on a slow machine. */
const SETTLE_TIMEOUT_MS = 60_000;
/** Limit of all headers together, as at Cloudflare's edge; no lower limit for `Upload-Metadata` is published. [U] */
const MAX_HEADER_BYTES = 131_072;
/** Closing an idle connection looks like a fault to a client that reuses it. */
const KEEP_ALIVE_MS = 120_000;

/** Starts a Stream on 127.0.0.1. Rejects if the port is in use. */
export async function startLocalStream(options: LocalStreamOptions = {}): Promise<LocalStream> {
  const { port = 0, dataDir, ...settingsGiven } = options;
  const settings: StreamSettings = { ...DEFAULTS, ...settingsGiven };
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS });
  server.requestTimeout = 0; // a large file on a slow connection needs no time limit
  const host = await listen(server, port);
  const url = `http://${host}`;

  const temporary = dataDir === undefined ? mkdtempSync(join(tmpdir(), "local-stream-")) : undefined;
  const stream = openStream(settings, dataDir ?? temporary ?? "", url, server);
  const uploadHost = new UploadHost(stream);
  const playbackHost = new PlaybackHost(stream);
  const api = new StreamApi(stream);
  const { accountId, token, email, globalKey } = settings;
  const identity = { url, apiBase: `${url}/client/v4`, uploadHost: host, accountId, token, email, globalKey };
  const control = { ...identity, ...createControl(stream) };

  server.on("request", (request, response) => {
    handle(request, response).catch((error: unknown) => {
      // The client has disconnected, or the server is closing.
      if (response.destroyed || stream.clock.stopped.aborted) response.destroy();
      else if (error instanceof BodyTooLarge) send(response, fail(413, 10005, error.message));
      else {
        console.error(error);
        send(response, fail(500, 10500, "Internal error"));
      }
    });
  });
  stream.resume();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = URL.parse(request.url ?? "", url);
    if (!target) return send(response, fail(400, 10010, "not a URL"));
    const [, area = "", id = ""] = target.pathname.split("/");
    if (area === "_control") return send(response, await answerControl(control, request, target));
    stream.recorder.record(stream.clock.now(), request);
    if (area === "tus" || area === "basic") return uploadHost.handle(request, response, id);
    if (area === "client") return handleApi(request, response, target);
    if (!(await playbackHost.handle(request, response, target.pathname)))
      send(response, fail(404, 10003, "no such path"));
  }

  async function handleApi(request: IncomingMessage, response: ServerResponse, target: URL): Promise<void> {
    const { method = "", headers, headersDistinct } = request;
    const body = await readBytes(request);
    const creation = method === "POST" && target.pathname.endsWith("/stream");
    const fault = stream.faults.take(creation ? "create" : "api");
    const { resets } = stream.clock;
    await stream.clock.sleep(fault?.milliseconds ?? 0);
    // A reset also drops delayed requests.
    if (fault?.kind === "reset" || stream.clock.resets !== resets) return void response.destroy();
    if (fault?.kind === "status" || fault?.kind === "refuse")
      return send(response, answerOfFault(fault, settings.apiLimit, settings.maxQueued));

    const answer = await api.answer({ method, url: target, headers, headersDistinct: { ...headersDistinct }, body });
    const video = creation ? stream.videos.get(answer.headers?.["stream-media-id"] ?? "") : undefined;
    if (video) await uploadHost.prepare(video);
    if (fault?.kind === "reset-after") return void response.destroy();
    send(response, fault && video ? alter(answer, fault) : answer);
  }

  return {
    ...control,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, stream.close()]);
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Closes the server if the data folder is not usable. */
function openStream(settings: StreamSettings, dataDir: string, url: string, server: Server): Stream {
  try {
    return new Stream(settings, dataDir, url);
  } catch (error) {
    server.close();
    throw error;
  }
}

/** @returns `host:port` */
async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new Error(`Port ${port} is in use.`) : error);
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function createControl(stream: Stream) {
  return {
    requests: () => stream.recorder.requests(),
    clearRequests: () => stream.recorder.clear(),
    creations: () => stream.recorder.creations(),
    videos: () => stream.videos.all().map((video) => stream.describe(video)),
    async settled(uid: string) {
      const deadline = Date.now() + SETTLE_TIMEOUT_MS;
      for (;;) {
        const video = stream.videos.get(uid);
        if (video?.state === "ready" || video?.state === "error") return stream.describe(video);
        if (Date.now() > deadline) throw new Error(`Video ${uid} is still ${video?.state ?? "unknown"}.`);
        await sleep(20);
      }
    },
    deliveries: () => stream.webhook.deliveries,
    addFault: (fault: Fault) => stream.faults.add(fault),
    faults: () => stream.faults.list(),
    clearFaults: () => stream.faults.clear(),
    expire(uid: string) {
      if (!stream.videos.update(uid, { uploadExpiry: stream.clock.now() })) throw new TypeError(`no video ${uid}`);
    },
    advance(milliseconds: number) {
      if (!Number.isFinite(milliseconds)) throw new TypeError("milliseconds must be a number");
      stream.clock.advance(milliseconds);
    },
    reset: () => stream.reset(),
  };
}

/** A creation's response, changed by a fault. */
function alter(answer: Answer, fault: Fault): Answer {
  const { Location: url = "", ...rest } = answer.headers ?? {};
  switch (fault.kind) {
    case "location": {
      const headers = fault.location === undefined ? rest : { ...rest, Location: fault.location.replace("{url}", url) };
      return { ...answer, headers };
    }
    case "uid":
      return { ...answer, headers: { ...answer.headers, "stream-media-id": fault.uid ?? "" } };
    case "headers":
      return { ...answer, headers: { ...answer.headers, ...fault.headers } };
    default:
      return answer;
  }
}
