import { type Problem, problem } from "../../shared/problem.ts";
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from "./retry-after.ts";

/** An answer of Stream that is not a success. */
export interface StreamErrorResponse {
  readonly status: number;
  /** The readable `errors` and `messages` of Cloudflare's envelope; the useful text is often in the latter. */
  readonly errors: readonly { readonly code: number; readonly message: string }[];
  /** The `Retry-After` header. */
  readonly retryAfter?: string | null;
}

/** Cloudflare's error code. A 404 without it comes from a proxy or another API, and says nothing about the video. */
const NOT_FOUND = 10003;

export function isNotFound({
  status,
  errors = [],
}: {
  status: number;
  errors?: StreamErrorResponse["errors"];
}): boolean {
  return status === 404 && errors.some(({ code }) => code === NOT_FOUND);
}

/** "The account's storage is full" (assumed: secondary source). */
const STORAGE_EXCEEDED = 10011;
/** The queue moves as fast as the encoder: in minutes. */
const QUEUE_RETRY_SECONDS = 60;
/** Someone has to delete videos or buy storage. */
const STORAGE_RETRY_SECONDS = 3_600;
const UNAVAILABLE_RETRY_SECONDS = 10;

/**
 * Maps an error of Stream to a problem for the client. A limit of the whole account is a 429, so that clients do not retry at
 * once. An error that only the operator can fix (credential, account, route) is a 502. Stream's texts may name the account,
 * so they go to the log only, truncated.
 *
 * @param what Stream was asked for
 */
export function toProblem(response: StreamErrorResponse, what: "creation" | "request" = "creation"): Problem {
  const { status, errors } = response;
  const facts = { upstreamErrors: errors.slice(0, 5).map(({ code, message }) => `${code} ${message}`.slice(0, 200)) };

  const storageExceeded = errors.some(({ code }) => code === STORAGE_EXCEEDED);
  // A full queue is a 429 or 413; only its text tells it from the request limit and full storage (assumed).
  if ((status === 429 || status === 413) && !storageExceeded && errors.some(isQueueFull))
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
      retryAfterSeconds: parseRetryAfter(response.retryAfter) ?? MAX_RETRY_AFTER_SECONDS,
    });
  if (status === 401 || status === 403)
    return problem("stream_credential_refused", "Stream refused the gateway's credential.", { facts });
  if (status === 400 || status === 422) return problem("stream_rejected", `Stream rejected the ${what}.`, { facts });
  if (status === 503)
    return problem("stream_unavailable", "Stream is not available.", {
      facts,
      retryAfterSeconds: parseRetryAfter(response.retryAfter) ?? UNAVAILABLE_RETRY_SECONDS,
    });
  return problem("stream_error", "Stream answered with an error.", { facts });
}

function isQueueFull({ message }: StreamErrorResponse["errors"][number]): boolean {
  return /queue|encod/i.test(message);
}
