import type { Budget } from "../ports/budget.ts";
import { type Problem, problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { CallClass } from "./rules/call-window.ts";

export function upstreamBusy(retryAfterSeconds: number): Problem {
  return problem("upstream_busy", "The request budget for Stream is used up.", { retryAfterSeconds });
}

/** Takes one call from an upstream's budget. @returns `upstream_busy` if the budget refuses */
export async function acquireCall(
  budget: Pick<Budget, "acquire">,
  upstream: Upstream,
  tenant: string,
  callClass: CallClass,
): Promise<Result<void>> {
  const call = await budget.acquire(upstream, tenant, callClass);
  return call.granted ? ok(undefined) : err(upstreamBusy(call.retryAfterSeconds));
}

/** Takes several foreground calls, or none: calls that were granted before a refusal are refunded. */
export async function acquireCalls(
  budget: Pick<Budget, "acquire" | "refund">,
  upstream: Upstream,
  tenant: string,
  count: number,
): Promise<Result<void>> {
  for (let granted = 0; granted < count; granted++) {
    const call = await acquireCall(budget, upstream, tenant, "foreground");
    if (call.ok) continue;
    for (let refunds = 0; refunds < granted; refunds++) await budget.refund(upstream, tenant);
    return call;
  }
  return ok(undefined);
}
