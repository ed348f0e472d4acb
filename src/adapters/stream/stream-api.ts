import type { StreamApi } from "../../core/ports/stream.ts";
import { createStreamAccount } from "./account.ts";
import { createStreamCalls } from "./calls.ts";
import type { StreamClient } from "./client.ts";
import { createStreamUploads } from "./create-uploads.ts";
import { createStreamVideos } from "./videos.ts";

/** @param allowLoopback development only: accept upload URLs on a loopback address, over http */
export function createStreamApi(client: StreamClient, allowLoopback: boolean): StreamApi {
  return {
    ...createStreamAccount(client),
    ...createStreamCalls(client),
    ...createStreamVideos(client),
    ...createStreamUploads(client, allowLoopback),
  };
}
