import type { GatewayOptions } from "./options.ts";
import { delaySecondsOf, remedyFor } from "./retry.ts";
import { errorOfResponse, noResponse } from "./upload-error.ts";

/** 50 MiB. */
const DEFAULT_CHUNK_BYTES = 52_428_800;
/** Stream accepts chunks of 5 to 200 MiB … */
const MIN_CHUNK_BYTES = 5_242_880;
const MAX_CHUNK_BYTES = 209_715_200;
/** … in multiples of 256 KiB. */
const CHUNK_STEP_BYTES = 262_144;
const DEFAULT_MAX_WAIT_SECONDS = 300;
/** Of a cancellation. */
const MAX_ATTEMPTS = 4;

export type Gateway<F> = Required<GatewayOptions<F>>;

/** Checks options that a page sets once. Throws a `RangeError`. */
export function gatewayOf<F>(options: GatewayOptions<F>): Gateway<F> {
  const { chunkSize = DEFAULT_CHUNK_BYTES, headers = {}, maxWaitSeconds = DEFAULT_MAX_WAIT_SECONDS } = options;
  if (chunkSize < MIN_CHUNK_BYTES || chunkSize > MAX_CHUNK_BYTES || chunkSize % CHUNK_STEP_BYTES !== 0)
    throw new RangeError(`chunkSize must be 5 to 200 MiB, in multiples of 256 KiB (found: ${chunkSize}).`);
  return { ...options, chunkSize, headers, maxWaitSeconds };
}

/** What only the gateway may see. */
export function headersFor(gateway: Gateway<never>, grant: string): Record<string, string> {
  return { ...gateway.headers, Authorization: `Bearer ${grant}` };
}

/** Only the grant that created an upload can cancel it. */
export interface OwnedUpload {
  readonly id: string;
  readonly grant: string;
}

/** Cancels an upload. One that is gone counts as cancelled. */
export async function cancelAtGateway(gateway: Gateway<never>, { id, grant }: OwnedUpload): Promise<void> {
  const headers = headersFor(gateway, grant);
  for (let attempt = 1; ; attempt++) {
    // The request outlives a page that is being closed.
    const error = await fetch(`${gateway.endpoint}/${id}`, { method: "DELETE", headers, keepalive: true }).then(
      async (response) => errorOfResponse(response.status, await response.text(), response.headers.get("Retry-After")),
      noResponse,
    );
    if (error.status === 200 || error.status === 404) return;
    const remedy = remedyFor("DELETE", error);
    if (attempt === MAX_ATTEMPTS || remedy !== "wait") throw error;
    await sleep(delaySecondsOf(error, attempt, remedy) * 1000);
  }
}

/** 128 random bits. `crypto.randomUUID` exists in secure contexts only. */
export function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
