import * as v from "valibot";
import { problem } from "../../core/shared/problem.ts";
import { errorMessage } from "../../core/shared/text.ts";
import { type StreamErrorResponse, toProblem } from "../../core/stream/rules/map-stream-error.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { StreamOutcome } from "../../core/stream/rules/creation.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { type StreamOptions, reportRateLimit } from "./client.ts";
import { readEnvelope } from "./videos.ts";

/** What Stream answers to a creation, a link or an error, is a few hundred bytes. */
export const MAX_CREATION_ANSWER_BYTES = 64 * 1024;
/** A creation on its way to Stream. */
export interface CreationCall {
  readonly upstream: Upstream;
  /** Under the account's. */
  readonly path: string;
  /** All there is: nothing of the client's request comes along by itself. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly options: StreamOptions;
  /** The status by which Stream says that the upload URL is made. */
  readonly success: number;
  readonly readCreated: (response: Response) => StreamOutcome | Promise<StreamOutcome>;
}

/** Sends a creation, once, and reads what became of it. */
export async function sendCreation(call: CreationCall): Promise<StreamOutcome> {
  const { upstream, path, headers, body, options, success, readCreated } = call;
  let response: Response;
  let outcome: StreamOutcome;
  try {
    // Sent once: a creation that is repeated may be a second video.
    response = await fetch(`${upstream.apiBase}/accounts/${upstream.accountId}/stream${path}`, {
      method: "POST",
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(options.deadlineMs),
      ...(body !== undefined && { body }),
    });
    outcome = response.status === success ? await readCreated(response) : await readRefusal(response);
  } catch (error) {
    return explainFailure(error);
  }
  const isLimited = outcome.kind === "refused" && outcome.problem.code === "stream_rate_limited";
  await reportRateLimit(options, upstream, response, isLimited);
  return outcome;
}

/** There is an upload URL, or there may be one, and it cannot be handed out. */
export function readLink(status: number, uid: string | undefined, location: string | undefined): StreamOutcome {
  if (uid !== undefined && location !== undefined) return { kind: "created", status, uid, location };
  const missing = uid === undefined ? "uid" : "upload URL";
  return {
    kind: "unknown",
    status,
    ...(uid !== undefined && { uid }),
    problem: problem("stream_bad_answer", "Stream's answer cannot be used.", { facts: { missing, uid } }),
  };
}

function explainFailure(error: unknown): StreamOutcome {
  const facts = { reason: errorMessage(error) };
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
 * or another 2xx may come after it was made.
 */
async function readRefusal(response: Response): Promise<StreamOutcome> {
  const { status, headers } = response;
  const retryAfter = headers.get("retry-after");
  const errors = await readErrors(response);
  const kind = (status >= 400 && status < 500) || errors.length > 0 ? "refused" : "unknown";
  return { kind, status, problem: toProblem({ status, errors, ...(retryAfter !== null && { retryAfter }) }) };
}

const message = v.object({ code: v.number(), message: v.string() });
const envelope = v.object({
  errors: v.optional(v.nullable(v.array(message)), []),
  messages: v.optional(v.nullable(v.array(message)), []),
});

/** Cloudflare's envelope, where the answer is one; proxies in between answer in HTML. */
async function readErrors(response: Response): Promise<StreamErrorResponse["errors"]> {
  const body = await readBounded(response.body, MAX_CREATION_ANSWER_BYTES).catch(() => undefined);
  const said = readEnvelope(new TextDecoder().decode(body ?? new Uint8Array()), envelope);
  return [...(said?.errors ?? []), ...(said?.messages ?? [])];
}
