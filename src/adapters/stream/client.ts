import type { Upstream } from "../../core/stream/rules/upstream.ts";

export interface StreamOptions {
  /** Milliseconds that an answer is waited for. */
  readonly deadlineMs: number;
  readonly allowLoopback: boolean;
  /** Told when an upstream wants to be left alone for so long. */
  readonly onRateLimited: (upstream: Upstream, seconds: number) => Promise<void>;
}

/** Of Cloudflare's block; what a limit is for that does not say when it ends, and the longest that is believed. */
const BLOCK_SECONDS = 300;

/**
 * Tells of Stream's limit of calls: it has refused a call for their number, or would refuse the next.
 *
 * @see https://developers.cloudflare.com/fundamentals/api/reference/limits/
 */
export async function reportRateLimit(
  { onRateLimited }: StreamOptions,
  upstream: Upstream,
  { headers }: Response,
  isLimited: boolean,
): Promise<void> {
  if (isLimited) await onRateLimited(upstream, secondsOf(headers.get("retry-after")));
  else if (headers.get("x-ratelimit-remaining") === "0")
    await onRateLimited(upstream, secondsOf(headers.get("x-ratelimit-reset")));
}

function secondsOf(header: string | null): number {
  return header !== null && /^\d{1,6}$/.test(header) ? Math.min(Number(header), BLOCK_SECONDS) : BLOCK_SECONDS;
}
