import { Hono } from "hono";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { AppEnv } from "../../app-env.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import type { Ledgers } from "../../../core/ports/ledger.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";

/** `GET /v1/:tenant/usage`: what is counted, beside the limits. */
export function usageRoutes(ports: AuthenticatePorts & { readonly ledgers: Ledgers }): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const access = await requireScope(ports, c, "usage:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const { id, limits } = access.value.tenant;
    const usage = await ports.ledgers.usage(id);
    if (!usage.ok) return respondProblem(c, usage.problem);
    const { pending, videos, storedSeconds, day, month } = usage.value;
    const window = ({ start, ...usage }: typeof day) => ({ ...usage, since: rfc3339(start) });
    return c.json({
      tenant: id,
      usage: { pending, videos, storedSeconds, day: window(day), month: window(month) },
      limits,
    });
  });

  routes.all("/", allowOnly("GET", "HEAD", "OPTIONS"));
  return routes;
}
