import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { Config } from "../../../config.ts";
import { acquireCalls } from "../../../core/budget/acquire-call.ts";
import { BACKGROUND_TENANT } from "../../../core/budget/rules/call-window.ts";
import type { AdminRegistry } from "../../../core/ports/admin-registry.ts";
import type { Budget } from "../../../core/ports/budget.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import type { StreamWebhooks } from "../../../core/ports/stream.ts";
import { invalidField } from "../../../core/shared/invalid-field.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, err } from "../../../core/shared/result.ts";
import { isFetchableUrl } from "../../../core/shared/fetched-url.ts";
import { jsonObject } from "../../../core/shared/strict-object.ts";
import { truncate } from "../../../core/shared/text.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import { registerStreamWebhook } from "../../../core/stream-events/register-stream-webhook.ts";
import { WEBHOOK_SECRET } from "../../../core/stream/rules/defaults.ts";
import { type Upstream, requireUpstream } from "../../../core/stream/rules/upstream.ts";
import { handle } from "../../pipeline/handle.ts";
import { resource } from "../../pipeline/resource.ts";
import { FETCHABLE_URL } from "../../../core/shared/fields.ts";
import { MANAGED_BY_ENVIRONMENT, NO_SUCH_UPSTREAM } from "./upstreams.ts";

export interface UpstreamWebhookPorts {
  readonly registry: CachedRegistry;
  readonly adminRegistry: Pick<AdminRegistry, "upstreams">;
  readonly streamWebhooks: StreamWebhooks;
  readonly budget: Pick<Budget, "acquire" | "refund">;
  readonly config: Pick<Config, "allowLoopback">;
}

/** One to read the webhook, one to register it. */
const STREAM_CALLS = 2;

/**
 * `upstreams/:upstream/webhook`: the webhook of the account at Stream. `PUT` registers this gateway there and stores the secret
 * sealed, without returning it; the previous secret stays valid for notifications in transit. Until every isolate has read the new
 * secret, some notifications are rejected; the reconciliation finds what they reported.
 */
export function upstreamWebhookRoutes(ports: UpstreamWebhookPorts): Routes {
  const routes = new Routes();
  const slugs = ["upstream"] as const;
  const putSchema = jsonObject({
    /** The gateway's public address. Absent: the address of this request. */
    gateway: v.optional(v.string()),
    force: v.optional(v.boolean(), false),
  });

  resource(routes, "/", {
    GET: handle({ slugs }, async (c, { path }) => {
      const upstream = await acquireUpstream(ports, path.upstream);
      if (!upstream.ok) return upstream;
      const current = await ports.streamWebhooks.current(upstream.value);
      if (!current.ok) return current;
      return current.value
        ? c.json({ notificationUrl: current.value.notificationUrl })
        : err(problem("not_found", "The account has no webhook."));
    }),

    PUT: handle({ slugs, body: putSchema }, async (c, { path, body }) => {
      const { gateway = c.req.url } = body;
      if (!isFetchableUrl(gateway, ports.config.allowLoopback))
        return invalidField("gateway", `${FETCHABLE_URL} (found: ${truncate(gateway)})`);
      const upstream = await acquireUpstream(ports, path.upstream);
      if (!upstream.ok) return upstream;
      const { id } = upstream.value;
      if (id === DEFAULT_UPSTREAM) return err(MANAGED_BY_ENVIRONMENT);

      const url = `${new URL(gateway).origin}/hooks/stream/${id}`;
      const registered = await registerStreamWebhook(ports.streamWebhooks, upstream.value, url, body.force);
      if (!registered.ok) return registered;
      const { secret, notificationUrl, replaced } = registered.value;
      if (!WEBHOOK_SECRET.test(secret))
        return err(problem("stream_bad_answer", "Stream returned a webhook secret that cannot be used."));
      if (!(await ports.adminRegistry.upstreams.rotateWebhookSecret(upstream.value, secret, url)))
        return err(problem("conflict", "The upstream was changed at the same time. Read it and try again."));
      return c.json({ notificationUrl, ...(replaced && { replaced: replaced.notificationUrl }) });
    }),
  });
  return routes;
}

/** Reads an upstream with its credential, and takes the Stream calls of this request from its budget. */
async function acquireUpstream(
  { registry, budget }: Pick<UpstreamWebhookPorts, "registry" | "budget">,
  id: string,
): Promise<Result<Upstream>> {
  const upstream = requireUpstream(await registry.uncached.upstream(id, "trusted"), NO_SUCH_UPSTREAM);
  if (!upstream.ok) return upstream;
  const calls = await acquireCalls(budget, upstream.value, BACKGROUND_TENANT, STREAM_CALLS);
  return calls.ok ? upstream : calls;
}
