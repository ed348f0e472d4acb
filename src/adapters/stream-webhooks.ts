import * as v from "valibot";
import { clip, problem, reasonOf } from "../domain/problem.ts";
import { type Result, accept, refuse } from "../domain/result.ts";
import type { Upstream } from "../usecases/registry-port.ts";
import type { StreamWebhook, StreamWebhooks } from "../usecases/stream-port.ts";
import { readBounded } from "./read-bounded.ts";
import { authorize } from "./stream-videos.ts";

/** An answer about a webhook is a few hundred bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

const webhookSchema = v.object({ result: v.object({ notificationUrl: v.string(), secret: v.string() }) });
const refusalSchema = v.object({ errors: v.array(v.object({ message: v.string() })) });

/**
 * The one webhook of an account, for its operator: what Stream says is told as it is.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/webhooks/
 */
export function createStreamWebhooks(deadlineMs: number): StreamWebhooks {
  async function call(upstream: Upstream, init: RequestInit): Promise<Result<StreamWebhook | undefined>> {
    try {
      const answer = await fetch(`${upstream.apiBase}/accounts/${upstream.accountId}/stream/webhook`, {
        ...init,
        headers: { ...authorize(upstream), "Content-Type": "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(deadlineMs),
      });
      const body = await readBounded(answer.body, MAX_ANSWER_BYTES);
      return read(answer.status, new TextDecoder().decode(body ?? new Uint8Array()));
    } catch (error) {
      return refuse(problem("stream_unreachable", `Stream cannot be asked: ${clip(reasonOf(error))}`));
    }
  }

  return {
    current: (upstream) => call(upstream, { method: "GET" }),
    async register(upstream, notificationUrl) {
      const made = await call(upstream, { method: "PUT", body: JSON.stringify({ notificationUrl }) });
      if (!made.ok) return made;
      return made.value ? accept(made.value) : refuse(problem("stream_bad_answer", "Stream has made no webhook."));
    },
  };
}

/** No webhook is a 404 (assumed), or an answer without one. */
function read(status: number, text: string): Result<StreamWebhook | undefined> {
  if (status === 404) return accept(undefined);
  const json = parse(text);
  if (status >= 200 && status < 300) {
    const parsed = v.safeParse(webhookSchema, json);
    return accept(parsed.success ? parsed.output.result : undefined);
  }
  const refusal = v.safeParse(refusalSchema, json);
  const said = refusal.success ? `: ${refusal.output.errors.map(({ message }) => message).join("; ")}` : "";
  return refuse(problem("stream_error", `Stream answered ${status}${clip(said)}`));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
