import { parseLocation, parseUid } from "../domain/location.ts";
import { TUS_VERSION } from "../domain/tus.ts";
import type { Upstream } from "../usecases/registry-port.ts";
import type { StreamApi, UpstreamCreation } from "../usecases/stream-port.ts";
import { readLink, sendCreation } from "./stream-creation.ts";
import { createDirectUploads } from "./stream-direct-upload.ts";
import { authorize, createStreamVideos } from "./stream-videos.ts";

/**
 * Stream's API, over HTTP.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/methods/create/
 */
export function createStreamApi(options: { readonly deadlineMs: number; readonly allowLoopback: boolean }): StreamApi {
  const { deadlineMs, allowLoopback } = options;
  return {
    ...createStreamVideos(deadlineMs),
    ...createDirectUploads(options),

    create: (upstream, creation) =>
      sendCreation({
        url: `${upstream.apiBase}/accounts/${upstream.accountId}/stream?direct_user=true`,
        headers: creationHeaders(upstream, creation),
        deadlineMs,
        success: 201,
        readCreated: ({ status, headers }) =>
          readLink(
            status,
            parseUid(headers.get("stream-media-id")),
            parseLocation(headers.get("location") ?? "", upstream.uploadHosts, allowLoopback),
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
