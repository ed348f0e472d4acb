import { combineJson } from "../../policy/rules/combine-documents.ts";
import type { PlanDocument, TenantDocument } from "../../shared/admin-documents.ts";
import { DEFAULT_UPSTREAM } from "../../shared/tenant.ts";
import { combineLimits } from "./combine-limits.ts";
import { tenantWarnings } from "./tenant-warnings.ts";

/** A tenant's own document, with what results from it and its plan under `effective`, and warnings about that. */
export function describeTenant(document: TenantDocument, plan: PlanDocument | undefined) {
  const { policy, limits, upstream = plan?.upstream ?? DEFAULT_UPSTREAM } = document;
  const effective = plan
    ? { policy: combineJson(plan.policy, policy), limits: combineLimits(plan.limits, limits), upstream }
    : { policy, limits, upstream };
  return { ...document, effective, warnings: tenantWarnings(document, plan) };
}
