import { parseLocation, parseUid } from "../domain/location.ts";
import { TUS_VERSION } from "../domain/tus.ts";
import type { Upstream } from "../usecases/registry-port.ts";
import type { StreamApi, UpstreamCreation } from "../usecases/stream-port.ts";
import { readLink, sendCreation } from "./stream-creation.ts";
import type { StreamOptions } from "./stream-limit.ts";
import { createDirectUploads } from "./stream-direct-upload.ts";
import { authorize, createStreamVideos } from "./stream-videos.ts";

/**
 * Stream's API, over HTTP.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/methods/create/
 */
export function createStreamApi(options: StreamOptions): StreamApi {
  return {
    ...createStreamVideos(options),
    ...createDirectUploads(options),

    create: (upstream, creation) =>
      sendCreation({
        upstream,
        path: "?direct_user=true",
        headers: creationHeaders(upstream, creation),
        options,
        success: 201,
        readCreated: ({ status, headers }) =>
          readLink(
            status,
            parseUid(headers.get("stream-media-id")),
            parseLocation(headers.get("location") ?? "", upstream.uploadHosts, options.allowLoopback),
          ),
      }),
  };
}

function creationHeaders(upstream: Upstream, { length, metadata, creator }: UpstreamCreation): Record<string, string> {
  return {
    ...authorize(upstream),
    "Tus-Resumable": TUS_VERSION,
    "Upload-Length": String(length),
    "Upload-Metadata": metadata,
    ...(creator !== undefined && { "Upload-Creator": creator }),
  };
}
