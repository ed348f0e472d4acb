import type { CallClass, CallDecision as CallGrant } from "../budget/rules/call-window.ts";
import type { Upstream } from "../stream/rules/upstream.ts";

/** An upstream's API calls, shared among the tenants on it. */
export interface Budget {
  /** Counts a call that is about to be made; refused with the seconds after which it makes sense to try again. */
  acquire(upstream: Upstream, tenant: string, callClass: CallClass): Promise<CallGrant>;
  /** The call was not made after all. */
  refund(upstream: Upstream, tenant: string): Promise<void>;
  /** The upstream refuses all calls for so many seconds. */
  block(upstream: Upstream, seconds: number): Promise<void>;
}
