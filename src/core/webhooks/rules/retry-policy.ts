/**
 * Seconds before each retry of a failed delivery. In total more than a day, so that a receiver that is down overnight misses
 * nothing; each at most 12 hours, the longest delay of a Queue. `max_retries` in `wrangler.toml` must equal the length.
 *
 * @see https://developers.cloudflare.com/queues/platform/limits/
 */
export const RETRY_DELAYS_SECONDS = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;

/**
 * @param attempts number of attempts so far, 1 or more
 * @returns seconds before the next attempt, `undefined` if there is none
 */
export function retryDelaySeconds(attempts: number): number | undefined {
  return RETRY_DELAYS_SECONDS[attempts - 1];
}

/**
 * How long an endpoint may fail before it is disabled: a long weekend and a day to notice. It is disabled only when a
 * delivery uses up its attempts, so at least two events have been tried in full.
 */
export const MAX_FAILING_MS = 5 * 24 * 60 * 60 * 1000;

/** `gone`: the endpoint unsubscribes with 410, as the Standard Webhooks specification defines. */
export function classifyResponse(status: number): "delivered" | "gone" | "failed" {
  if (status >= 200 && status < 300) return "delivered";
  return status === 410 ? "gone" : "failed";
}
