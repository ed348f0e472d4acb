import * as v from "valibot";
import { type StreamErrorResponse, toProblem } from "../../core/stream/rules/map-stream-error.ts";
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from "../../core/stream/rules/retry-after.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import { errorMessage, truncate } from "../../core/shared/text.ts";
import { mayFetch } from "../../core/shared/fetched-url.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import { readBounded } from "../../platform/read-bounded.ts";

export interface StreamClientOptions {
  /** Milliseconds for one call: the answer's headers and its body. */
  readonly deadlineMs: number;
  /** For development: allows loopback hosts. */
  readonly allowLoopback: boolean;
  /** Called when an upstream refuses further calls for a number of seconds. */
  readonly onRateLimited: (upstream: Upstream, seconds: number) => Promise<void>;
}

export interface StreamRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Follows `/accounts/{accountId}/stream`, e.g. `/webhook` or `?limit=5`. */
  readonly path: string;
  /** All headers but the credential. No header of a client's request is forwarded. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | FormData;
  /** Largest body to read. */
  readonly maxBytes?: number;
}

export interface StreamClient {
  /** Sends one call and reports rate limits. Rejects if Stream cannot be reached or exceeds the deadline. */
  readonly request: (upstream: Upstream, request: StreamRequest) => Promise<StreamAnswer>;
  /** Sends a tus HEAD to an upload URL. Carries no credential, since the upload host is not the API. */
  readonly headUpload: (location: string, headers: Readonly<Record<string, string>>) => Promise<Response>;
}

/** The call was not sent. */
export class UrlNotAllowed extends Error {
  override readonly name = "UrlNotAllowed";
}

/** For operators, who see the reason. */
export function unreachable(error: unknown): Problem {
  return problem("stream_unreachable", `Stream cannot be reached: ${truncate(errorMessage(error))}`);
}

/** For clients, who do not. Stream may have carried out the call. */
export function noAnswer(error: unknown): Problem {
  const facts = { reason: errorMessage(error) };
  return error instanceof DOMException && error.name === "TimeoutError"
    ? problem("stream_timeout", "Stream did not answer in time.", { facts })
    : problem("stream_unreachable", "Stream cannot be reached, or its answer was lost.", { facts });
}

/** Enough for errors, upload URLs and webhooks, which have a few hundred bytes. */
const DEFAULT_MAX_BYTES = 64 * 1024;

/**
 * The only caller of Stream's API. Never repeats a call: a repeated creation may be a second video.
 *
 * @see https://developers.cloudflare.com/fundamentals/api/reference/limits/
 */
export function createStreamClient({ deadlineMs, allowLoopback, onRateLimited }: StreamClientOptions): StreamClient {
  /** A redirect is returned like any other answer: following it could send the credential to another host. */
  async function send(
    url: string,
    method: string,
    headers: Readonly<Record<string, string>>,
    body: string | FormData | null,
  ) {
    // Checked when it was configured, but perhaps by another version, or before the setting for loopback changed.
    if (!mayFetch(url, allowLoopback)) throw new UrlNotAllowed("the URL is not allowed");
    return fetch(url, { method, headers, body, redirect: "manual", signal: AbortSignal.timeout(deadlineMs) });
  }

  return {
    async request(upstream, { method, path, headers, body = null, maxBytes = DEFAULT_MAX_BYTES }) {
      const url = `${upstream.apiBase}/accounts/${upstream.accountId}/stream${path}`;
      const answer = new StreamAnswer(await send(url, method, withCredential(upstream, headers), body), maxBytes);
      if (answer.status === 429 && (method !== "POST" || (await isRequestLimit(answer))))
        await onRateLimited(upstream, blockSeconds(answer.headers.get("retry-after")));
      else if (answer.headers.get("x-ratelimit-remaining") === "0")
        await onRateLimited(upstream, blockSeconds(answer.headers.get("x-ratelimit-reset")));
      return answer;
    },

    headUpload: (location, headers) => send(location, "HEAD", headers, null),
  };
}

/** Adds the credential, by either of Cloudflare's two schemes. */
function withCredential({ credential }: Upstream, headers: StreamRequest["headers"]): Record<string, string> {
  return credential.kind === "token"
    ? { Authorization: `Bearer ${credential.token}`, ...headers }
    : { "X-Auth-Email": credential.email, "X-Auth-Key": credential.key, ...headers };
}

/** For a creation, a full queue or a full storage is a 429 as well, and no reason to stop all calls. */
async function isRequestLimit(answer: StreamAnswer): Promise<boolean> {
  return toProblem(await answer.error()).code === "stream_rate_limited";
}

function blockSeconds(header: string | null): number {
  return parseRetryAfter(header) ?? MAX_RETRY_AFTER_SECONDS;
}

const messages = v.fallback(v.array(v.object({ code: v.number(), message: v.fallback(v.string(), "") })), []);
const envelopeSchema = v.object({
  result: v.optional(v.unknown()),
  errors: v.optional(messages, []),
  messages: v.optional(messages, []),
});

/** Cloudflare's envelope around every answer. */
export type StreamEnvelope = v.InferOutput<typeof envelopeSchema>;

/** An answer of the API. The body is read only if one of the methods is called. */
export class StreamAnswer {
  readonly #response: Response;
  readonly #maxBytes: number;
  #text: Promise<string> | undefined;

  constructor(response: Response, maxBytes: number) {
    this.#response = response;
    this.#maxBytes = maxBytes;
  }

  get status(): number {
    return this.#response.status;
  }

  get headers(): Headers {
    return this.#response.headers;
  }

  /**
   * @returns `undefined` if the body is not Cloudflare's envelope or too long; proxies between answer in HTML
   * @throws if the body breaks off or exceeds the deadline
   */
  async envelope(): Promise<StreamEnvelope | undefined> {
    const text = await this.text();
    try {
      const parsed = v.safeParse(envelopeSchema, JSON.parse(text));
      return parsed.success ? parsed.output : undefined;
    } catch {
      return undefined;
    }
  }

  /** @returns an empty string if the body is too long */
  text(): Promise<string> {
    this.#text ??= readText(this.#response, this.#maxBytes);
    return this.#text;
  }

  /** The answer as an error, without its texts if the body cannot be read. */
  async error(): Promise<StreamErrorResponse> {
    const envelope = await this.envelope().catch(() => undefined);
    return {
      status: this.status,
      errors: envelope ? [...envelope.errors, ...envelope.messages] : [],
      retryAfter: this.headers.get("retry-after"),
    };
  }
}

/** @returns an empty string if the body is longer than `maxBytes` */
async function readText({ body }: Response, maxBytes: number): Promise<string> {
  const bytes = await readBounded(body, maxBytes);
  return bytes ? new TextDecoder().decode(bytes) : "";
}
