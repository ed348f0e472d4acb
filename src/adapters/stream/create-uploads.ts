import { parseLocation, parseUid } from "../../core/stream/rules/upload-url.ts";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { StreamApi } from "../../core/ports/stream.ts";
import type { UpstreamCreation } from "../../core/stream/rules/creation.ts";
import { readLink, sendCreation } from "./send-creation.ts";
import type { StreamOptions } from "./client.ts";
import { createDirectUploads } from "./direct-upload.ts";
import { authorize, createStreamVideos } from "./videos.ts";

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
