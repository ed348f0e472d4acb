/**
 * Seconds before each repetition of a delivery that has failed. Together more than a day, so that a receiver that is down
 * overnight misses nothing; each within the 12 hours for which a Queue holds a message back. `max_retries` in
 * `wrangler.toml` is their number.
 *
 * @see https://developers.cloudflare.com/queues/platform/limits/
 */
export const RETRY_DELAYS_SECONDS = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;

/**
 * @param attempts how often the delivery has been tried, 1 or more
 * @returns seconds; undefined: it is not repeated any more
 */
export function retryDelaySeconds(attempts: number): number | undefined {
  return RETRY_DELAYS_SECONDS[attempts - 1];
}

/**
 * How long an endpoint may fail before it is disabled, as one more event is given up: a long weekend and a day to notice. So
 * it has had two events at least, and each was tried as often as any.
 */
export const MAX_FAILING_MS = 5 * 24 * 60 * 60 * 1000;

/** What an answer means. `gone`: the endpoint wants nothing any more, as the Standard Webhooks specification has it. */
export function classifyResponse(status: number): "delivered" | "gone" | "failed" {
  if (status >= 200 && status < 300) return "delivered";
  return status === 410 ? "gone" : "failed";
}
