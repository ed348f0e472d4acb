import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { RegistryStore } from "../../../adapters/d1/admin-registry.ts";
import { type Config } from "../../../config.ts";
import { WEBHOOK_SECRET } from "../../../core/stream/rules/defaults.ts";
import { acquireCalls } from "../../../core/budget/acquire-call.ts";
import { BACKGROUND_TENANT } from "../../../core/budget/rules/call-window.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { problem } from "../../../core/shared/problem.ts";
import type { Result } from "../../../core/shared/result.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import type { AppEnv } from "../../app-env.ts";
import type { Budget } from "../../../core/ports/budget.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { type Upstream, requireUpstream } from "../../../core/stream/rules/upstream.ts";
import type { StreamWebhooks } from "../../../core/ports/stream.ts";
import { registerStreamWebhook } from "../../../core/stream-events/register-stream-webhook.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { readSlug, safeUrl } from "./schemas.ts";
import { managedByEnvironment, noSuchUpstream } from "./upstreams.ts";

export interface UpstreamWebhookPorts {
  readonly registry: CachedRegistry;
  readonly store: Pick<RegistryStore, "rotateWebhookSecret">;
  readonly streamWebhooks: StreamWebhooks;
  readonly budget: Pick<Budget, "acquire" | "refund">;
  readonly config: Pick<Config, "allowLoopback">;
}

/** Looks, and registers. */
const CALLS = 2;

/**
 * `upstreams/:id/webhook`: the account's webhook at Stream. `PUT` has the account's events sent here and keeps their
 * secret, sealed, without showing it to anyone; the secret before stays valid for what is on its way. Events that come
 * before every isolate has read the new one are refused, and found by the reconciliation.
 */
export function upstreamWebhookRoutes(ports: UpstreamWebhookPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const schema = jsonObject({
    /** The gateway's public address, where it is not the one that this request came to. */
    gateway: v.optional(safeUrl(ports.config.allowLoopback)),
    force: v.optional(v.boolean(), false),
  });

  routes.get("/", async (c) => {
    const upstream = await readUpstream(ports, c);
    if (!upstream.ok) return respondProblem(c, upstream.problem);
    const current = await ports.streamWebhooks.current(upstream.value);
    if (!current.ok) return respondProblem(c, current.problem);
    return current.value
      ? c.json({ notificationUrl: current.value.notificationUrl })
      : respondProblem(c, problem("not_found", "The account has no webhook."));
  });

  routes.put("/", async (c) => {
    const body = await readJson(c.req.raw, schema);
    if (!body.ok) return respondProblem(c, body.problem);
    const upstream = await readUpstream(ports, c);
    if (!upstream.ok) return respondProblem(c, upstream.problem);
    const { id, accountId } = upstream.value;
    if (id === DEFAULT_UPSTREAM) return respondProblem(c, managedByEnvironment);

    const url = `${new URL(body.value.gateway ?? c.req.url).origin}/hooks/stream/${id}`;
    const registered = await registerStreamWebhook(ports.streamWebhooks, upstream.value, url, body.value.force);
    if (!registered.ok) return respondProblem(c, registered.problem);
    const { secret, notificationUrl, replaced } = registered.value;
    if (!WEBHOOK_SECRET.test(secret))
      return respondProblem(c, problem("stream_bad_answer", "Stream's secret cannot be used."));
    if ((await ports.store.rotateWebhookSecret({ id, account_id: accountId }, secret, url)) === 0)
      return respondProblem(c, problem("conflict", "The upstream has changed meanwhile."));
    return c.json({ notificationUrl, ...(replaced && { replaced: replaced.notificationUrl }) });
  });

  routes.all("/", allowOnly("GET", "HEAD", "PUT"));
  return routes;
}

/** With its credential, and with the calls that are to be made taken from its budget. */
async function readUpstream(
  { registry, budget }: Pick<UpstreamWebhookPorts, "registry" | "budget">,
  c: Context<AppEnv>,
): Promise<Result<Upstream>> {
  const id = readSlug(c, "upstream");
  if (!id.ok) return id;
  const upstream = requireUpstream(await registry.uncached.upstream(id.value, "trusted"), noSuchUpstream);
  if (!upstream.ok) return upstream;
  const calls = await acquireCalls(budget, upstream.value, BACKGROUND_TENANT, CALLS);
  return calls.ok ? upstream : calls;
}
