import { Hono } from "hono";
import { PROBLEMS } from "../../../core/shared/problem.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { AppEnv } from "../../app-env.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { checkPolicy, checkPolicySchema } from "../../../core/policy/check-policy.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { readJson } from "../../pipeline/json-body.ts";

/** `GET /v1/:tenant/policy`, and `POST …/check`: a creation decided and explained key by key, and not made. */
export function policyRoutes(ports: AuthenticatePorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const access = await requireScope(ports, c, "policy:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const { id, policy } = access.value.tenant;
    return c.json({ tenant: id, policy: policy[0]?.json ?? {} });
  });

  routes.post("/check", async (c) => {
    const access = await requireScope(ports, c, "policy:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const body = await readJson(c.req.raw, checkPolicySchema);
    if (!body.ok) return respondProblem(c, body.problem);
    const check = checkPolicy(access.value, body.value, ports.now());
    if (!check.ok) return respondProblem(c, check.problem);

    const { outcome, explanations } = check.value;
    if (!outcome.ok) {
      const { code, detail, key } = outcome.problem;
      const { status } = PROBLEMS[code];
      return c.json({ allowed: false, problem: { code, status, detail, ...(key && { key }) }, explanations });
    }
    const { metadata, header, creator, maxDurationSeconds, expiresAt } = outcome.value;
    return c.json({
      allowed: true,
      metadata: Object.fromEntries(metadata),
      uploadMetadata: header,
      ...(creator !== undefined && { creator }),
      maxDurationSeconds,
      expiresAt: rfc3339(expiresAt),
      explanations,
    });
  });

  routes.all("/", allowOnly("GET", "HEAD", "OPTIONS"));
  routes.all("/check", allowOnly("OPTIONS", "POST"));
  return routes;
}
