import { acquireCall } from "../budget/acquire-call.ts";
import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { StreamApi } from "../ports/stream.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Warning } from "../shared/warning.ts";
import type { Upstream } from "./rules/upstream.ts";

export interface CheckUpstreamPorts {
  readonly budget: Pick<Budget, "acquire">;
  readonly stream: Pick<StreamApi, "checkAccount">;
}

/**
 * Asks Stream whether it accepts an upstream's account and credential. Takes one call of its budget.
 *
 * @returns `upstream_credential_refused` or `upstream_account_unknown` if Stream says no, any other problem if it does not say
 */
export async function checkUpstream({ budget, stream }: CheckUpstreamPorts, upstream: Upstream): Promise<Result<void>> {
  const call = await acquireCall(budget, upstream, BACKGROUND_TENANT, "foreground");
  return call.ok ? stream.checkAccount(upstream) : call;
}

/**
 * Checks an upstream that is about to be stored. Refused is only what Stream refuses: an operator must be able to replace a
 * credential while Stream is not available or the budget is spent, so these are warnings.
 */
export async function checkNewUpstream(
  ports: CheckUpstreamPorts,
  upstream: Upstream,
): Promise<Result<readonly Warning[]>> {
  const checked = await checkUpstream(ports, upstream);
  if (checked.ok) return ok([]);
  const { code, detail } = checked.problem;
  if (code === "upstream_credential_refused" || code === "upstream_account_unknown") return checked;
  return ok([{ pointer: "", code: "upstream_unchecked", detail: `Stored without a check (${code}): ${detail}` }]);
}
