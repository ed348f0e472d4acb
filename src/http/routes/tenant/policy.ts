import { Routes } from "../../routes.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { type CheckPolicyPorts, checkPolicy, checkPolicySchema } from "../../../core/policy/check-policy.ts";
import { tenantDocument } from "../../../core/policy/rules/policy.ts";
import { PROBLEMS } from "../../../core/shared/problem.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import { handle } from "../../pipeline/handle.ts";
import { limitMembers } from "../../pipeline/problem-response.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";

/** `GET /v1/:tenant/policy`, and `POST …/check`: decides and explains a creation key by key, without creating anything. */
export function policyRoutes(ports: AuthenticatePorts & CheckPolicyPorts): Routes {
  const routes = new Routes();
  const access = requireScope(ports, "policy:read");

  const read = handle({ access }, (c, { access }) => {
    const { id, policy } = access.tenant;
    return c.json({ tenant: id, policy: tenantDocument(policy).json });
  });

  const check = handle({ access, body: checkPolicySchema }, async (c, { access, body }) => {
    const checked = await checkPolicy(ports, access, body);
    if (!checked.ok) return checked;
    const { outcome, explanations, limits } = checked.value;
    if (!outcome.ok) {
      const { code, detail, key } = outcome.problem;
      const { status } = PROBLEMS[code];
      const problem = { code, status, detail, ...(key && { key }), ...limitMembers(outcome.problem) };
      return c.json({ allowed: false, problem, explanations, limits });
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
      limits,
    });
  });

  resource(routes, "/", { GET: read }, { preflight: true });
  resource(routes, "/check", { POST: check }, { preflight: true });
  return routes;
}
