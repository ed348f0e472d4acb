import { type CallDecision, STALE_PLAN } from "../../core/budget/rules/call-window.ts";
import type { Budget } from "../../core/ports/budget.ts";
import { OBJECT_RETRY_SECONDS, orElse } from "./or-else.ts";

/** The call budgets, one Durable Object per upstream. */
export function createBudget(namespace: Env["BUDGET"]): Budget {
  const of = (upstream: { readonly id: string }) => namespace.getByName(upstream.id);
  return {
    // No call is granted without the object: one call above Cloudflare's limit would block all tenants.
    acquire: (upstream, tenant, callClass, plan) =>
      orElse(
        of(upstream)
          .acquire(upstream.callsPerWindow, tenant, callClass, ...(plan ? [plan] : []))
          .then(toDecision),
        () => toDecision(OBJECT_RETRY_SECONDS),
      ),
    refund: (upstream, tenant) => orElse(of(upstream).refund(tenant), () => undefined),
    block: (upstream, seconds) => orElse(of(upstream).close(seconds), () => undefined),
  };
}

/**
 * Sends a plan's version to the objects of these upstreams. Fails if one of them fails.
 *
 * @returns the newest version of the plan that any of them knows
 */
export async function announcePlan(
  namespace: Env["BUDGET"],
  plan: string,
  version: number,
  upstreams: readonly string[],
): Promise<number> {
  const known = await Promise.all(upstreams.map((id) => namespace.getByName(id).learnPlan(plan, version)));
  return Math.max(...known);
}

/** Asks an upstream's object to search for the videos of lost creations. */
export interface LostUploadSearches {
  /** @returns false if the object is not available */
  request(upstream: string, tenant: string): Promise<boolean>;
}

export function createLostUploadSearches(namespace: Env["BUDGET"]): LostUploadSearches {
  return {
    request: (upstream, tenant) =>
      orElse(
        namespace
          .getByName(upstream)
          .searchFor(tenant)
          .then(() => true),
        () => false,
      ),
  };
}

function toDecision(retryAfterSeconds: number): CallDecision {
  if (retryAfterSeconds === 0) return { granted: true };
  return retryAfterSeconds === STALE_PLAN
    ? { granted: false, retryAfterSeconds: OBJECT_RETRY_SECONDS, isStale: true }
    : { granted: false, retryAfterSeconds };
}
