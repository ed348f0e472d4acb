import { problem } from "../shared/problem.ts";
import { truncate } from "../shared/text.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamWebhooks } from "../ports/stream.ts";
import type { SignedWebhook, StreamWebhook } from "../stream/rules/account-webhook.ts";

export interface Registration extends SignedWebhook {
  /** What the account's webhook was until now, where it was another. */
  readonly replaced?: StreamWebhook;
}

/**
 * Has an account's events sent to a URL. An account has one webhook: another's is replaced only if that is wanted. One that
 * is there already stays as it is, since its secret would change (assumed) while events are on their way; but without its
 * secret, it is as good as another's.
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
  const made = await webhooks.register(upstream, url);
  if (!made.ok) return made;
  return ok({ ...made.value, ...(current.value && { replaced: current.value }) });
}
