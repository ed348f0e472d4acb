import { type Problem, problem } from "../../shared/problem.ts";
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from "./retry-after.ts";

/** Stream's answer to a creation that it did not accept. */
export interface StreamErrorResponse {
  readonly status: number;
  /** `errors` and `messages` of Cloudflare's envelope, as far as they could be read; the useful text is often in the latter. */
  readonly errors: readonly { readonly code: number; readonly message: string }[];
  /** The `Retry-After` header. */
  readonly retryAfter?: string | null;
}

/** "The account's storage is full" (assumed: secondary source). */
const STORAGE_EXCEEDED = 10011;
/** The queue moves with the encoder, in minutes. */
const QUEUE_RETRY_SECONDS = 60;
/** Storage is freed or bought by people. */
const STORAGE_RETRY_SECONDS = 3_600;
const UNAVAILABLE_RETRY_SECONDS = 10;

/**
 * What a refusal of Stream's means to the caller. Limits that the account shares are nobody's fault and no reason to try
 * again at once: 429. What only the operator can mend (credential, account, route) is 502, never shown as the caller's
 * fault. The text of Stream goes to the log, clipped; it may name the account.
 */
export function toProblem(refusal: StreamErrorResponse): Problem {
  const { status, errors } = refusal;
  const facts = { upstreamErrors: errors.slice(0, 5).map(({ code, message }) => `${code} ${message}`.slice(0, 200)) };
  const says = (pattern: RegExp) => errors.some(({ message }) => pattern.test(message));

  const storageExceeded = errors.some(({ code }) => code === STORAGE_EXCEEDED);
  // 429 or 413. Assumed: it is told from the request limit, and from a full storage, by its text only.
  if ((status === 429 || status === 413) && !storageExceeded && says(/queue|encod/i))
    return problem("stream_queue_full", "Too many videos are being processed.", {
      facts,
      retryAfterSeconds: QUEUE_RETRY_SECONDS,
    });
  if (status === 413 || storageExceeded)
    return problem("stream_storage_full", "The video storage is full.", {
      facts,
      retryAfterSeconds: STORAGE_RETRY_SECONDS,
    });
  if (status === 429)
    return problem("stream_rate_limited", "Too many requests to Stream.", {
      facts,
      retryAfterSeconds: parseRetryAfter(refusal.retryAfter) ?? MAX_RETRY_AFTER_SECONDS,
    });
  if (status === 401 || status === 403)
    return problem("stream_credential_refused", "The gateway is not set up to create uploads at Stream.", { facts });
  if (status === 400 || status === 422)
    return problem("stream_rejected", "Stream does not accept this creation.", { facts });
  if (status === 503)
    return problem("stream_unavailable", "Stream is not available at the moment.", {
      facts,
      retryAfterSeconds: parseRetryAfter(refusal.retryAfter) ?? UNAVAILABLE_RETRY_SECONDS,
    });
  return problem("stream_error", "Stream answered with an error.", { facts });
}
