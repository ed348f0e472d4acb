import * as v from "valibot";
import type { StreamWebhooks } from "../../core/ports/stream.ts";
import { problem } from "../../core/shared/problem.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import { truncate } from "../../core/shared/text.ts";
import type { StreamWebhook } from "../../core/stream/rules/account-webhook.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import { type StreamClient, type StreamEnvelope, type StreamRequest, unreachable } from "./client.ts";

/** Cloudflare's schema makes every field optional, and has two names for the URL. */
const webhookSchema = v.nullable(
  v.looseObject({
    notificationUrl: v.nullish(v.string()),
    notification_url: v.nullish(v.string()),
    secret: v.nullish(v.string()),
  }),
);

/**
 * An account's one webhook. Only operators see the answers, so Stream's error texts are passed on.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/webhooks/
 */
export function createStreamWebhooks({ request }: StreamClient): StreamWebhooks {
  async function call(
    upstream: Upstream,
    webhookRequest: Omit<StreamRequest, "path">,
  ): Promise<Result<StreamWebhook | undefined>> {
    try {
      const answer = await request(upstream, { ...webhookRequest, path: "/webhook" });
      return toWebhook(answer.status, await answer.envelope());
    } catch (error) {
      return err(unreachable(error));
    }
  }

  return {
    current: (upstream) => call(upstream, { method: "GET" }),
    async register(upstream, notificationUrl) {
      const headers = { "Content-Type": "application/json" };
      const created = await call(upstream, { method: "PUT", headers, body: JSON.stringify({ notificationUrl }) });
      if (!created.ok) return created;
      if (created.value?.secret === undefined)
        return err(problem("stream_bad_answer", "Stream did not return the webhook with its secret."));
      return ok({ ...created.value, secret: created.value.secret });
    },
  };
}

/** An account without a webhook gets a 404, or a success without one (both assumed). */
function toWebhook(status: number, envelope: StreamEnvelope | undefined): Result<StreamWebhook | undefined> {
  if (status === 404) return ok(undefined);
  if (status >= 200 && status < 300) return readWebhook(envelope?.result);
  const texts = envelope?.errors.map(({ message }) => message).join("; ");
  return err(problem("stream_error", `Stream answered ${status}${truncate(texts ? `: ${texts}` : "")}`));
}

/** An unknown shape is an error: taken for "no webhook", it could cause another's webhook to be replaced. */
function readWebhook(result: unknown): Result<StreamWebhook | undefined> {
  const parsed = v.safeParse(webhookSchema, result);
  if (parsed.success) {
    const webhook: NonNullable<typeof parsed.output> = parsed.output ?? {};
    const urls = [webhook.notificationUrl, webhook.notification_url];
    const url = urls.find(Boolean);
    if (url) return ok({ notificationUrl: url, ...(webhook.secret && { secret: webhook.secret }) });
    if (Object.keys(webhook).length === 0 || urls.some((url) => url !== undefined)) return ok(undefined);
  }
  return err(problem("stream_bad_answer", "Stream's description of the account's webhook cannot be read."));
}
