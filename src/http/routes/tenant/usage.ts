import { Hono } from "hono/tiny";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { AppEnv } from "../../app-env.ts";
import { handle } from "../../pipeline/handle.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";

/** `GET /v1/:tenant/usage`: what the tenant uses, and its limits. */
export function usageRoutes(ports: AuthenticatePorts & { readonly ledgers: Ledgers }): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const read = handle({ access: requireScope(ports, "usage:read") }, async (c, { access }) => {
    const { id, limits } = access.tenant;
    const usage = await ports.ledgers.usage(id);
    if (!usage.ok) return usage;
    const { pending, videos, storedSeconds, day, month } = usage.value;
    const window = ({ start, ...counts }: typeof day) => ({ ...counts, since: rfc3339(start) });
    return c.json({
      tenant: id,
      usage: { pending, videos, storedSeconds, day: window(day), month: window(month) },
      limits,
    });
  });
  resource(routes, "/", { GET: read }, { preflight: true });
  return routes;
}
