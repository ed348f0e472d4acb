import type { CallClass, CallDecision } from "../budget/rules/call-window.ts";
import type { PlanVersion } from "../shared/tenant.ts";
import type { Upstream } from "../stream/rules/upstream.ts";

/** The API calls of an upstream, shared among its tenants. */
export interface Budget {
  /**
   * Counts a call before it is made, or returns the seconds after which to try again.
   *
   * @param plan that the call was decided by; the answer is `isStale` if it has changed since
   */
  acquire(upstream: Upstream, tenant: string, callClass: CallClass, plan?: PlanVersion): Promise<CallDecision>;
  /** Gives back a call that was not made. */
  refund(upstream: Upstream, tenant: string): Promise<void>;
  /** Grants no call for a number of seconds, because the upstream refuses all of them. */
  block(upstream: Upstream, seconds: number): Promise<void>;
}
