import type { StreamWebhooks } from "../ports/stream.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";
import type { SignedWebhook, StreamWebhook } from "../stream/rules/account-webhook.ts";
import type { Upstream } from "../stream/rules/upstream.ts";

export interface Registration extends SignedWebhook {
  /** The account's previous webhook, if it had another one. */
  readonly replaced?: StreamWebhook;
}

/**
 * Registers a URL as an account's webhook. An account has one webhook: another one is replaced only by force. A webhook
 * that already has this URL stays as it is, since a new registration changes its secret (assumed), and notifications may be
 * on their way. Without its secret it is useless, and is treated like another webhook.
 */
export async function registerStreamWebhook(
  webhooks: StreamWebhooks,
  upstream: Upstream,
  url: string,
  force: boolean,
): Promise<Result<Registration>> {
  const current = await webhooks.current(upstream);
  if (!current.ok) return current;
  const { notificationUrl, secret } = current.value ?? {};
  if (notificationUrl === url && secret !== undefined) return ok({ notificationUrl, secret });
  if (notificationUrl !== undefined && !force)
    return err(problem("conflict", `The account's webhook is ${truncate(notificationUrl)}; replacing it needs force.`));
  const created = await webhooks.register(upstream, url);
  if (!created.ok) return created;
  return ok({ ...created.value, ...(current.value && { replaced: current.value }) });
}
