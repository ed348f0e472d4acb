import type { CallDecision } from "../../core/budget/rules/call-window.ts";
import type { Budget } from "../../core/ports/budget.ts";
import { OBJECT_RETRY_SECONDS, orElse } from "./or-else.ts";

/** The call budgets, one Durable Object per upstream. */
export function createBudget(namespace: Env["BUDGET"]): Budget {
  const of = (upstream: { readonly id: string }) => namespace.getByName(upstream.id);
  return {
    // No call is granted without the object: one call above Cloudflare's limit would block all tenants.
    acquire: (upstream, tenant, callClass) =>
      orElse(of(upstream).acquire(upstream.callsPerWindow, tenant, callClass).then(toDecision), () =>
        toDecision(OBJECT_RETRY_SECONDS),
      ),
    refund: (upstream, tenant) => orElse(of(upstream).refund(tenant), () => undefined),
    block: (upstream, seconds) => orElse(of(upstream).close(seconds), () => undefined),
  };
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
  return retryAfterSeconds === 0 ? { granted: true } : { granted: false, retryAfterSeconds };
}
