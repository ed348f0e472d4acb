import type { Budget } from "../ports/budget.ts";
import { type Problem, problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { CallClass, CallDecision } from "./rules/call-window.ts";

type CallBudget = Pick<Budget, "acquire" | "refund">;

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

/** Takes several foreground calls, or none. @returns `upstream_busy` if the budget refuses one */
export async function acquireCalls(
  budget: CallBudget,
  upstream: Upstream,
  tenant: string,
  count: number,
): Promise<Result<void>> {
  const call = await takeCalls(budget, upstream, { id: tenant }, count);
  return call.granted ? ok(undefined) : err(upstreamBusy(call.retryAfterSeconds));
}

/**
 * Takes several foreground calls, or none: calls that were granted before a refusal are given back.
 *
 * @param tenant with the plan that the calls were decided by; the answer is `isStale` if it has changed since
 */
export async function takeCalls(
  budget: CallBudget,
  upstream: Upstream,
  { id, plan }: Pick<Tenant, "id" | "plan">,
  count: number,
): Promise<CallDecision> {
  const call = await budget.acquire(upstream, id, "foreground", plan);
  if (!call.granted || count === 1) return call;
  const others = await takeCalls(budget, upstream, { id, ...(plan && { plan }) }, count - 1);
  if (!others.granted) await budget.refund(upstream, id);
  return others;
}

/** Gives back calls that were not made. */
export async function giveBackCalls(
  budget: Pick<Budget, "refund">,
  upstream: Upstream,
  tenant: string,
  count: number,
): Promise<void> {
  for (let refunded = 0; refunded < count; refunded++) await budget.refund(upstream, tenant);
}
