import { parseTimeLeniently } from "../../shared/time.ts";

/**
 * Seconds before each retry of a failed delivery. In total more than a day, so that a receiver that is down overnight misses
 * nothing. `max_retries` in `wrangler.toml` must equal the length.
 */
export const RETRY_DELAYS_SECONDS = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;

/** A first attempt and all retries. */
export const MAX_ATTEMPTS = RETRY_DELAYS_SECONDS.length + 1;

/** The longest delay of a Queue: 12 hours. https://developers.cloudflare.com/queues/platform/limits/ */
const MAX_DELAY_SECONDS = 43_200;

/** Each delay varies by a fifth, so that the events of an outage do not return all at once. */
const JITTER = 0.2;

/**
 * @param attempts number of attempts so far, 1 or more
 * @param random from 0 to 1
 * @param requestedSeconds the least delay that the endpoint asks for
 * @returns seconds before the next attempt, `undefined` if there is none
 */
export function retryDelaySeconds(attempts: number, random: number, requestedSeconds = 0): number | undefined {
  const scheduled = RETRY_DELAYS_SECONDS[attempts - 1];
  if (scheduled === undefined) return undefined;
  const varied = Math.round(scheduled * (1 - JITTER + 2 * JITTER * random));
  return Math.min(MAX_DELAY_SECONDS, Math.max(varied, requestedSeconds));
}

/**
 * Reads `Retry-After`, which is a number of seconds or an HTTP date (RFC 9110, section 10.2.3), of 429 and 503 only.
 *
 * @param now seconds since the epoch
 * @returns seconds; 0 if the endpoint does not ask for a delay
 */
export function requestedDelaySeconds(status: number, retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined || (status !== 429 && status !== 503)) return 0;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  return Math.max(0, (parseTimeLeniently(retryAfter) ?? now) - now);
}

/**
 * Seconds after an event at which it is sent to the queue again, to endpoints that it was never attempted for: a queue may lose
 * messages, and a Worker be killed during an attempt. The last one is a working day after the first.
 */
const HANDOVER_SECONDS = [900, 7_200, 28_800] as const;

/** Seconds between two runs that send events again. */
export const HANDOVER_PAUSE_SECONDS = HANDOVER_SECONDS[0];

/**
 * @param created when the event was stored
 * @returns when it is sent to the queue again after `now`, if ever; all in seconds since the epoch
 */
export function nextHandover(created: number, now: number): number | undefined {
  return HANDOVER_SECONDS.map((seconds) => created + seconds).find((time) => time > now);
}

/** An endpoint whose answer takes longer is slow. */
export const SLOW_SECONDS = 3;

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
