import type { IncomingMessage, ServerResponse } from "node:http";
import { FileStore } from "@tus/file-store";
import { Server, Upload } from "@tus/server";
import { receiveForm } from "./basic-upload.ts";
import { findBrokenChunkRule } from "./chunk-rules.ts";
import type { Fault } from "./faults.ts";
import { type Answer, send } from "./http.ts";
import { countBody } from "./recorder.ts";
import { answerOfFault } from "./refusals.ts";
import type { Stream } from "./stream.ts";
import type { Video } from "./videos.ts";

/**
 * The upload host: tus for URLs that the API created, without creation and termination [S], and the form of basic uploads.
 * `@tus/server` checks the tus rules of HEAD and PATCH. `Upload-Metadata` on a PATCH is ignored: the creation's is final. [C]
 */
export class UploadHost {
  readonly #stream: Stream;
  #opened: { readonly store: FileStore; readonly tus: Server } | undefined;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /**
   * Opens lazily: the store's constructor creates its folder in the background, with an uncaught error if the Stream is closed
   * and the folder removed in the meantime.
   */
  #open() {
    this.#opened ??= openTus(this.#stream);
    return this.#opened;
  }

  /** Prepares a tus upload. An empty upload completes at once. [U] */
  async prepare(video: Video): Promise<void> {
    await this.#open().store.create(new Upload({ id: video.uploadId, size: video.length ?? 0, offset: 0 }));
    if (video.length === 0) this.#stream.uploaded(video, 0);
  }

  async handle(request: IncomingMessage, response: ServerResponse, uploadId: string): Promise<void> {
    if (request.method === "OPTIONS") return send(response, { status: 204, headers: this.#preflight() });
    // Also on errors: without it, a browser reports a network failure.
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    const video = this.#stream.videos.byUploadId(uploadId);
    if (!video) return send(response, { status: 404 });
    if (this.#stream.isExpired(video)) return send(response, { status: 410 }); // or 404, or not at all while an upload is in progress [U]
    // No creation, no termination. [S]
    if (video.kind === "tus" && request.method !== "HEAD" && request.method !== "PATCH")
      return send(response, { status: 405 });

    const fault = this.#stream.faults.take(request.method === "HEAD" ? "head" : "patch");
    if (fault && (await this.#applyFault(fault, request, response))) return;
    if (video.kind === "basic") return send(response, await receiveForm(request, this.#stream, video));
    const refusal = request.method === "PATCH" ? refuseChunk(request, video) : undefined;
    if (refusal) return send(response, refusal);
    return this.#open().tus.handle(request, response);
  }

  /** @returns true if the request is finished */
  async #applyFault(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { clock, settings } = this.#stream;
    await clock.sleep(fault.milliseconds ?? 0);
    switch (fault.kind) {
      case "reset":
        response.destroy();
        return true;
      case "status":
      case "refuse":
        send(response, answerOfFault(fault, settings.apiLimit, settings.maxQueued));
        return true;
      case "reset-after":
        breakAfter(request, response, fault.bytes);
        return false;
      default:
        return false;
    }
  }

  /** Which headers the real host accepts from browsers is unknown; this one accepts those of tus. [U] */
  #preflight() {
    const more = this.#stream.settings.uploadHostAllowsAuthorization ? ", Authorization" : "";
    return {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Methods": "HEAD, PATCH, POST, OPTIONS",
      "Access-Control-Allow-Headers": `Content-Type, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, X-Request-ID${more}`,
      "Access-Control-Max-Age": "86400",
    };
  }
}

function openTus(stream: Stream) {
  const store = new FileStore({ directory: stream.uploads });
  const tus = new Server({
    path: "/tus",
    datastore: store,
    // The id is the last path segment, without the query.
    getFileIdFromRequest: (request) => new URL(request.url).pathname.split("/").at(-1),
    onUploadFinish: async (_, upload) => {
      const video = stream.videos.byUploadId(upload.id);
      if (video?.state === "pendingupload") stream.uploaded(video, upload.size ?? 0);
      return {};
    },
  });
  return { store, tus };
}

const EXPOSED_HEADERS = "Location, Tus-Resumable, Upload-Length, Upload-Offset";

/** Breaks the connection after `bytes` of the body; without `bytes`, before the response. */
function breakAfter(request: IncomingMessage, response: ServerResponse, bytes: number | undefined): void {
  if (bytes === undefined) {
    response.writeHead = () => {
      response.destroy();
      return response;
    };
    return;
  }
  countBody(request, (received) => {
    if (received >= bytes) response.destroy();
  });
}

/** That a chunk needs a `Content-Length` is [U]; real clients send it. `@tus/server` handles a missing body or offset. */
function refuseChunk({ headers }: IncomingMessage, video: Video): Answer | undefined {
  if (headers["transfer-encoding"] !== undefined) return { status: 411, body: "a chunk must have a Content-Length" };
  const [bytes, offset] = [Number(headers["content-length"] ?? Number.NaN), Number(headers["upload-offset"])];
  if (Number.isNaN(bytes) || Number.isNaN(offset)) return undefined;
  const broken = findBrokenChunkRule(bytes, offset, video.length ?? 0);
  return broken === undefined ? undefined : { status: 400, body: broken };
}
