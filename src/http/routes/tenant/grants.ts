import { Hono } from "hono";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { AppEnv } from "../../app-env.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { type MintGrantPorts, mintGrant, mintGrantSchema } from "../../../core/auth/mint-grant.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";

/** `POST /v1/:tenant/grants`: a token for one end user's one upload, for the tenant's backend to hand out. */
export function grantRoutes(ports: AuthenticatePorts & MintGrantPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.post("/", async (c) => {
    const access = await requireScope(ports, c, "grants:create");
    if (!access.ok) return respondProblem(c, access.problem);
    const body = await readJson(c.req.raw, mintGrantSchema);
    if (!body.ok) return respondProblem(c, body.problem);
    const minted = await mintGrant(ports, access.value, body.value);
    if (!minted.ok) return respondProblem(c, minted.problem);
    const { grant, token } = minted.value;
    return c.json(
      {
        id: grant.id,
        grant: token,
        ...(grant.subject !== undefined && { subject: grant.subject }),
        expiresAt: rfc3339(grant.expiresAt),
      },
      201,
      { "Cache-Control": "no-store" },
    );
  });

  routes.all("/", allowOnly("OPTIONS", "POST"));
  return routes;
}
