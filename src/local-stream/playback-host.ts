import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP } from "node:net";
import { type Viewer, admits } from "./access-rules.ts";
import { type Answer, send } from "./http.ts";
import { FILE_PATH, RENDITION_PATH, THUMBNAIL, dashManifest, hlsManifest, playerPage } from "./playback-files.ts";
import { answerOfFault } from "./refusals.ts";
import { type Rendition, makeRendition } from "./rendition.ts";
import { isDownloadReady } from "./routes/downloads.ts";
import { sendFile } from "./send-file.ts";
import type { Stream } from "./stream.ts";
import { verifyToken } from "./tokens.ts";
import type { Video } from "./videos.ts";

/** Below the video's uid or token. [C] but for the files, which have other names at Stream. */
const PATHS = [
  "manifest/video.m3u8",
  "manifest/video.mpd",
  "thumbnails/thumbnail.jpg",
  "iframe",
  "watch",
  "downloads/default.mp4",
  FILE_PATH,
  RENDITION_PATH,
] as const;
type PlaybackPath = (typeof PATHS)[number];

/** Players on any page may read it. [C] */
const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Content-Length, Content-Range",
};
const PREFLIGHT = {
  ...CORS,
  "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
  "Access-Control-Allow-Headers": "Range",
  "Access-Control-Max-Age": "86400",
};

/** Who may see a video, as a refusal or the video. */
type Admission = { readonly video: Video; readonly downloadable: boolean } | { readonly refusal: Answer };

/**
 * Serves videos that are ready: `/{uid or token}/…`. "If a video requires signed URLs, the token takes the place of the uid." [C]
 * The status of a refusal is [U].
 */
export class PlaybackHost {
  readonly #stream: Stream;
  /** By upload id, made when they are first asked for. */
  readonly #renditions = new Map<string, Promise<Rendition | undefined>>();

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** @param pathname of the request @returns false if the path is not one of this host */
  async handle(request: IncomingMessage, response: ServerResponse, pathname: string): Promise<boolean> {
    const [, name = "", ...rest] = pathname.split("/");
    const path = PATHS.find((each) => each === rest.join("/"));
    if (path === undefined) return false;
    if (await this.#applyFault(response)) return true;
    if (request.method === "OPTIONS") send(response, { status: 204, headers: PREFLIGHT });
    else if (request.method !== "GET" && request.method !== "HEAD") send(response, refuse(405, "only GET"));
    else await this.#serve(request, response, name, path);
    return true;
  }

  /** @returns true if the request is finished */
  async #applyFault(response: ServerResponse): Promise<boolean> {
    const { clock, faults, settings } = this.#stream;
    const fault = faults.take("playback");
    if (!fault) return false;
    await clock.sleep(fault.milliseconds ?? 0);
    if (fault.kind === "latency") return false;
    if (fault.kind === "status" || fault.kind === "refuse")
      send(response, answerOfFault(fault, settings.apiLimit, settings.maxQueued));
    else response.destroy();
    return true;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, name: string, path: PlaybackPath): Promise<void> {
    this.#stream.deleteScheduled();
    const admission = await this.#admit(name, viewerOf(request));
    if ("refusal" in admission) return send(response, admission.refusal);
    const { video, downloadable } = admission;
    if (video.state !== "ready") return send(response, refuse(404, "the video is not ready"));
    if (path === "downloads/default.mp4") {
      if (!downloadable) return send(response, refuse(403, "the token does not allow downloads"));
      if (!isDownloadReady(this.#stream, video)) return send(response, refuse(404, "there is no download"));
    }
    const sendVideo = (file: string) => sendFile(request, response, file, { ...CORS, "Content-Type": "video/mp4" });
    switch (path) {
      case FILE_PATH:
      case "downloads/default.mp4":
        return sendVideo(this.#stream.fileOf(video));
      case "thumbnails/thumbnail.jpg":
        return send(response, show("image/jpeg", THUMBNAIL));
      case "iframe":
      case "watch":
        return send(response, show("text/html; charset=utf-8", playerPage(video)));
      default: {
        const rendition = await this.#renditionOf(video);
        if (!rendition) return send(response, refuse(404, "there is no rendition"));
        if (path === RENDITION_PATH) return sendVideo(rendition.path);
        const [type, manifest] =
          path === "manifest/video.m3u8"
            ? ["application/x-mpegURL", hlsManifest(video, rendition)]
            : ["application/dash+xml", dashManifest(video, rendition)];
        return send(response, show(type, manifest));
      }
    }
  }

  #renditionOf(video: Video): Promise<Rendition | undefined> {
    const made =
      this.#renditions.get(video.uploadId) ??
      makeRendition(this.#stream.fileOf(video), this.#stream.renditionFileOf(video), video.clip);
    this.#renditions.set(video.uploadId, made);
    return made;
  }

  async #admit(name: string, viewer: Viewer): Promise<Admission> {
    const { videos, signingKeys, clock } = this.#stream;
    const named = videos.get(name);
    // An MP4 of a video that needs no token is open to anyone. [C]
    if (named && !named.requireSignedURLs) return { video: named, downloadable: true };
    if (named) return { refusal: refuse(401, "the video requires a token") };
    if (!name.includes(".")) return { refusal: refuse(404, "video not found") };
    const claims = await verifyToken(name, signingKeys, clock.now());
    if (!claims) return { refusal: refuse(401, "the token is not valid") };
    if (!admits(claims.accessRules ?? [], viewer))
      return { refusal: refuse(403, "the token's access rules refuse you") };
    const video = videos.get(claims.sub);
    return video ? { video, downloadable: claims.downloadable === true } : { refusal: refuse(404, "video not found") };
  }
}

/**
 * Cloudflare's network knows both of a viewer; here headers tell them, with the names of those that Cloudflare sends to origins.
 * [U] `XX` is an unknown country. [C]
 */
function viewerOf({ headers, socket }: IncomingMessage): Viewer {
  const { "cf-connecting-ip": ip, "cf-ipcountry": country } = headers;
  return {
    ip: typeof ip === "string" && isIP(ip) !== 0 ? ip : (socket.remoteAddress ?? ""),
    country: typeof country === "string" ? country : "XX",
  };
}

function refuse(status: number, body: string): Answer {
  return { status, headers: { ...CORS, "Content-Type": "text/plain" }, body };
}

function show(type: string, body: string | Uint8Array): Answer {
  return { status: 200, headers: { ...CORS, "Content-Type": type }, body };
}
