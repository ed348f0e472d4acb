import { Hono } from "hono";
import { rfc3339 } from "../domain/rfc3339.ts";
import type { AppEnv } from "../middleware/app-env.ts";
import type { AuthenticatePorts } from "../usecases/authenticate.ts";
import type { Ledgers } from "../usecases/ledger-port.ts";
import { requireScope } from "./access.ts";
import { allowOnly } from "./allow-only.ts";
import { respondProblem } from "./problem-response.ts";

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
