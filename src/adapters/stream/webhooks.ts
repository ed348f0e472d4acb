import * as v from "valibot";
import { problem } from "../../core/shared/problem.ts";
import { truncate, errorMessage } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { StreamWebhooks } from "../../core/ports/stream.ts";
import type { StreamWebhook } from "../../core/stream/rules/account-webhook.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { authorize, readEnvelope, readResult } from "./videos.ts";

/** An answer about a webhook is a few hundred bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** All of it is optional in Cloudflare's schema, which knows the URL by two names. */
const webhookSchema = v.nullable(
  v.looseObject({
    notificationUrl: v.nullish(v.string()),
    notification_url: v.nullish(v.string()),
    secret: v.nullish(v.string()),
  }),
);
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
      return err(problem("stream_unreachable", `Stream cannot be asked: ${truncate(errorMessage(error))}`));
    }
  }

  return {
    current: (upstream) => call(upstream, { method: "GET" }),
    async register(upstream, notificationUrl) {
      const made = await call(upstream, { method: "PUT", body: JSON.stringify({ notificationUrl }) });
      if (!made.ok) return made;
      if (made.value?.secret === undefined)
        return err(problem("stream_bad_answer", "Stream does not show the webhook with its secret."));
      return ok({ ...made.value, secret: made.value.secret });
    },
  };
}

/** No webhook is a 404, or a success that shows none (both assumed). */
function read(status: number, text: string): Result<StreamWebhook | undefined> {
  if (status === 404) return ok(undefined);
  if (status >= 200 && status < 300) return readWebhook(text);
  const said = readEnvelope(text, refusalSchema)?.errors.map(({ message }) => message);
  return err(problem("stream_error", `Stream answered ${status}${truncate(said ? `: ${said.join("; ")}` : "")}`));
}

/** What is not understood may be another's webhook, which would be lost if it were taken for none. */
function readWebhook(text: string): Result<StreamWebhook | undefined> {
  const result = readResult(text, webhookSchema);
  const urls = [result?.notificationUrl, result?.notification_url];
  const url = urls.find(Boolean);
  if (url) return ok({ notificationUrl: url, ...(result?.secret && { secret: result.secret }) });
  const isEmpty =
    result === null || (result && (Object.keys(result).length === 0 || urls.some((url) => url !== undefined)));
  return isEmpty
    ? ok(undefined)
    : err(problem("stream_bad_answer", "What Stream says of the account's webhook cannot be read."));
}
