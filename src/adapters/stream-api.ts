import * as v from "valibot";
import { parseLocation, parseUid } from "../domain/location.ts";
import { problem } from "../domain/problem.ts";
import { type StreamRefusal, explainRefusal } from "../domain/stream-refusal.ts";
import { TUS_VERSION } from "../domain/tus.ts";
import type { StreamApi, StreamOutcome, Upstream, UpstreamCreation } from "../usecases/ports.ts";
import { readBounded } from "./read-bounded.ts";
import { authorize, createStreamVideos } from "./stream-videos.ts";

/** An error of Stream's is a few hundred bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** What a limit is for that does not say when it ends. */
const DEFAULT_PAUSE_SECONDS = 300;

/**
 * Stream's API, over HTTP.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/methods/create/
 */
export function createStreamApi(options: { readonly deadlineMs: number; readonly allowLoopback: boolean }): StreamApi {
  return {
    ...createStreamVideos(options.deadlineMs),

    async create(upstream, creation) {
      let response: Response;
      try {
        // Sent once: a creation that is repeated may be a second video.
        response = await fetch(`${upstream.apiBase}/accounts/${upstream.accountId}/stream?direct_user=true`, {
          method: "POST",
          headers: creationHeaders(upstream, creation),
          redirect: "manual",
          signal: AbortSignal.timeout(options.deadlineMs),
        });
      } catch (error) {
        return explainFailure(error);
      }
      const outcome: StreamOutcome =
        response.status === 201 ? readCreated(response, upstream, options.allowLoopback) : await readRefusal(response);
      const pauseSeconds = readPause(response, outcome);
      return pauseSeconds === undefined ? outcome : { ...outcome, pauseSeconds };
    },
  };
}

/** All there is: nothing of the client's request comes along by itself. */
function creationHeaders(upstream: Upstream, { length, metadata, creator }: UpstreamCreation): Record<string, string> {
  return {
    ...authorize(upstream),
    "Tus-Resumable": TUS_VERSION,
    "Upload-Length": String(length),
    "Upload-Metadata": metadata,
    ...(creator !== undefined && { "Upload-Creator": creator }),
  };
}

/** For how long Stream wants to be left alone: it has refused a call for their number, or would refuse the next. */
function readPause({ headers }: Response, outcome: StreamOutcome): number | undefined {
  if (outcome.kind === "refused" && outcome.problem.code === "stream_rate_limited")
    return outcome.problem.retryAfterSeconds ?? DEFAULT_PAUSE_SECONDS;
  if (headers.get("x-ratelimit-remaining") !== "0") return undefined;
  const reset = headers.get("x-ratelimit-reset") ?? "";
  return /^\d{1,3}$/.test(reset) ? Math.min(Number(reset), DEFAULT_PAUSE_SECONDS) : DEFAULT_PAUSE_SECONDS;
}

function readCreated(response: Response, { uploadHosts }: Upstream, allowLoopback: boolean): StreamOutcome {
  const { status, headers } = response;
  const uid = parseUid(headers.get("stream-media-id"));
  const location = parseLocation(headers.get("location") ?? "", uploadHosts, allowLoopback);
  if (uid && location) return { kind: "created", status, uid, location };
  const missing = uid ? "Location" : "stream-media-id";
  return {
    kind: "unknown",
    status,
    problem: problem("stream_bad_answer", "Stream's answer cannot be used.", { facts: { missing, uid } }),
  };
}

function explainFailure(error: unknown): StreamOutcome {
  const facts = { reason: error instanceof Error ? error.message : String(error) };
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  return {
    kind: "unknown",
    problem: timedOut
      ? problem("stream_timeout", "Stream did not answer in time.", { facts })
      : problem("stream_unreachable", "Stream cannot be reached.", { facts }),
  };
}

/**
 * A 4xx, or an error that Cloudflare's API states itself, says for certain that there is no video. A proxy's 504, a bare 500
 * or a 200 may come after it was made.
 */
async function readRefusal(response: Response): Promise<StreamOutcome> {
  const { status, headers } = response;
  const retryAfter = headers.get("retry-after");
  const errors = await readErrors(response);
  const kind = (status >= 400 && status < 500) || errors.length > 0 ? "refused" : "unknown";
  return { kind, status, problem: explainRefusal({ status, errors, ...(retryAfter !== null && { retryAfter }) }) };
}

const message = v.object({ code: v.number(), message: v.string() });
const envelope = v.object({
  errors: v.optional(v.nullable(v.array(message)), []),
  messages: v.optional(v.nullable(v.array(message)), []),
});

/** Cloudflare's envelope, where the answer is one; proxies in between answer in HTML. */
async function readErrors(response: Response): Promise<StreamRefusal["errors"]> {
  try {
    const body = await readBounded(response.body, MAX_ERROR_BYTES);
    const parsed = v.safeParse(envelope, JSON.parse(new TextDecoder().decode(body ?? new Uint8Array())));
    return parsed.success ? [...(parsed.output.errors ?? []), ...(parsed.output.messages ?? [])] : [];
  } catch {
    return [];
  }
}
