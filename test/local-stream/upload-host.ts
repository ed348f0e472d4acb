import { createWriteStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { FileStore } from "@tus/file-store";
import { Server, Upload } from "@tus/server";
import type { Fault } from "./faults.ts";
import { send } from "./http.ts";
import type { Stream } from "./stream.ts";
import type { Video } from "./videos.ts";

const MIB = 1024 * 1024;
/** [C] The last chunk is free. */
const MIN_CHUNK_BYTES = 5 * MIB;
/** [C] */
const MAX_CHUNK_BYTES = 200 * MIB;
/** [C] */
const CHUNK_STEP_BYTES = MIB / 4;
/** [C] in megabytes; [U] that they are decimal. */
const MAX_BASIC_BYTES = 200_000_000;

/**
 * The host that bytes go to: tus for URLs that the API has made, without creation and without termination. A browser may
 * not send it `Authorization`: nobody's key has any business here. [U]
 */
export class UploadHost {
  readonly #stream: Stream;
  readonly #tus: Server;
  readonly #store: FileStore;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#store = new FileStore({ directory: stream.uploads });
    this.#tus = new Server({
      path: "/tus",
      datastore: this.#store,
      // The URLs have a query, which is no part of the id.
      getFileIdFromRequest: (request) => new URL(request.url).pathname.split("/").at(-1),
      onUploadFinish: async (_, upload) => {
        const video = stream.videos.byUploadId(upload.id);
        if (video) stream.uploaded(video);
        return {};
      },
    });
  }

  /** Readies the place for the bytes of a tus upload. */
  async prepare(video: Video): Promise<void> {
    await this.#store.create(new Upload({ id: video.uploadId, size: video.length ?? 0, offset: 0 }));
    if (video.length === 0) this.#stream.uploaded(video);
  }

  async handle(request: IncomingMessage, response: ServerResponse, uploadId: string): Promise<void> {
    if (request.method === "OPTIONS") return send(response, { status: 204, headers: PREFLIGHT });
    response.setHeader("Access-Control-Allow-Origin", "*");
    const video = this.#stream.videos.byUploadId(uploadId);
    if (!video) return send(response, { status: 404 });
    if (this.#stream.videos.isExpired(video)) return send(response, { status: 410 });
    if (video.kind === "basic") return this.#receiveForm(request, response, video);
    // Neither creation nor termination. [S]
    if (request.method !== "HEAD" && request.method !== "PATCH") return send(response, { status: 405 });

    const fault = this.#stream.faults.take(request.method === "HEAD" ? "head" : "patch");
    if (fault && this.#befall(fault, request, response)) return;
    const broken = request.method === "PATCH" ? brokenChunkRule(request, video) : undefined;
    if (broken) return send(response, { status: 400, body: broken });
    return this.#tus.handle(request, response);
  }

  /** True where nothing is left to be done. */
  #befall(fault: Fault, request: IncomingMessage, response: ServerResponse): boolean {
    switch (fault.kind) {
      case "reset":
        request.socket.destroy();
        return true;
      case "status":
        send(response, { status: fault.status ?? 500, ...(fault.body !== undefined && { body: fault.body }) });
        return true;
      case "reset-after": {
        const until = request.socket.bytesRead + (fault.bytes ?? 0);
        const watch = setInterval(() => {
          if (request.socket.bytesRead >= until) request.socket.destroy();
          if (request.socket.destroyed) clearInterval(watch);
        }, 1);
        return false;
      }
      default:
        return false;
    }
  }

  /** "POST … a single HTTP request with the file in the form field `file`". [C] */
  async #receiveForm(request: IncomingMessage, response: ServerResponse, video: Video): Promise<void> {
    if (request.method !== "POST") return send(response, { status: 405 });
    if (video.state !== "pendingupload") return send(response, { status: 409 });
    if (Number(request.headers["content-length"] ?? 0) > MAX_BASIC_BYTES) return send(response, { status: 413 });
    const body = Readable.toWeb(request) as ReadableStream;
    const headers = { "Content-Type": request.headers["content-type"] ?? "" };
    const form = await new Response(body, { headers }).formData().catch(() => undefined);
    const file = form?.get("file");
    if (!(file instanceof File)) return send(response, { status: 400, body: "the form has no field file" });
    const target = createWriteStream(this.#stream.fileOf(video));
    await finished(Readable.fromWeb(file.stream() as never).pipe(target));
    this.#stream.videos.update(video, { size: file.size });
    this.#stream.uploaded(video);
    send(response, { status: 200 });
  }
}

const PREFLIGHT = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Methods": "HEAD, PATCH, POST, OPTIONS",
  "Access-Control-Allow-Headers": "Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, X-Request-ID",
  "Access-Control-Max-Age": "86400",
};

function brokenChunkRule(request: IncomingMessage, video: Video): string | undefined {
  const bytes = Number(request.headers["content-length"] ?? Number.NaN);
  const offset = Number(request.headers["upload-offset"] ?? Number.NaN);
  // Without a length, or out of place: tus itself has something to say.
  if (Number.isNaN(bytes) || Number.isNaN(offset)) return undefined;
  if (bytes > MAX_CHUNK_BYTES) return `a chunk has at most ${MAX_CHUNK_BYTES} bytes`;
  if (offset + bytes >= (video.length ?? 0)) return undefined;
  if (bytes < MIN_CHUNK_BYTES) return `a chunk that is not the last has at least ${MIN_CHUNK_BYTES} bytes`;
  if (bytes % CHUNK_STEP_BYTES !== 0) return `the length of a chunk must be a multiple of ${CHUNK_STEP_BYTES} bytes`;
  return undefined;
}
