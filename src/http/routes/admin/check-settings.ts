import * as v from "valibot";
import { NO_PLAN, parsePolicy } from "../../../core/policy/rules/parse-policy.ts";
import type { CachedRegistry } from "../../../core/ports/registry.ts";
import { limitsSchema } from "../../../core/quota/rules/limits.ts";
import { invalidField } from "../../../core/shared/invalid-field.ts";
import type { Result } from "../../../core/shared/result.ts";
import { DEFAULT_UPSTREAM } from "../../../core/shared/tenant.ts";
import { USUAL_MAXIMA } from "../../../core/stream/rules/defaults.ts";

/**
 * Checks what no schema checks of a tenant's or plan's document: its policy, by the maxima of the Stream account (Stream's usual ones
 * if the upstream cannot be read), and that nothing is `null`, except for a tenant on a plan.
 */
export async function checkSettings(
  { uncached }: CachedRegistry,
  { policy: json = {}, limits = {} }: { readonly policy?: unknown; readonly limits?: object | undefined },
  upstream: string | undefined,
  mayRemove: boolean,
): Promise<Result<unknown>> {
  const account = await uncached.upstream(upstream ?? DEFAULT_UPSTREAM, "trusted");
  const policy = parsePolicy(json, "policy", (account.ok && account.value) || USUAL_MAXIMA, mayRemove);
  if (!policy.ok || mayRemove) return policy;
  return v.is(limitsSchema, limits) ? policy : invalidField("limits", NO_PLAN);
}
