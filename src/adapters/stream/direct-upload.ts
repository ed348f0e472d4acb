import * as v from "valibot";
import { parseLocation, parseUid } from "../../core/stream/rules/upload-url.ts";
import type { StreamApi } from "../../core/ports/stream.ts";
import type { StreamOutcome } from "../../core/stream/rules/creation.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { MAX_CREATION_ANSWER_BYTES, readLink, sendCreation } from "./send-creation.ts";
import type { StreamOptions } from "./client.ts";
import { authorize, readResult } from "./videos.ts";

/**
 * Stream's basic links.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/direct_upload/methods/create/
 */
export function createDirectUploads(options: StreamOptions): Pick<StreamApi, "createDirect"> {
  return {
    createDirect: (upstream, creation) =>
      sendCreation({
        upstream,
        path: "/direct_upload",
        headers: { ...authorize(upstream), "Content-Type": "application/json" },
        body: JSON.stringify(creation),
        options,
        success: 200,
        readCreated: (response) => readCreated(response, upstream.uploadHosts, options.allowLoopback),
      }),
  };
}

const linkSchema = v.object({ uid: v.string(), uploadURL: v.string() });

async function readCreated(
  response: Response,
  uploadHosts: readonly string[],
  allowLoopback: boolean,
): Promise<StreamOutcome> {
  const bytes = await readBounded(response.body, MAX_CREATION_ANSWER_BYTES);
  const link = readResult(new TextDecoder().decode(bytes ?? new Uint8Array()), linkSchema);
  const location = parseLocation(link?.uploadURL ?? "", uploadHosts, allowLoopback);
  return readLink(response.status, parseUid(link?.uid ?? null), location);
}
