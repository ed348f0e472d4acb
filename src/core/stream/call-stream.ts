import { acquireCall } from "../budget/acquire-call.ts";
import type { Budget } from "../ports/budget.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi, StreamCall } from "../ports/stream.ts";
import type { Result } from "../shared/result.ts";
import { requireUpstream } from "./rules/upstream.ts";

export interface CallStreamPorts {
  readonly registry: Registry;
  readonly budget: Pick<Budget, "acquire">;
  readonly stream: Pick<StreamApi, "call">;
}

/** Makes one call to an upstream in the name of a tenant, out of the upstream's budget. */
export async function callStream(
  { registry, budget, stream }: CallStreamPorts,
  tenant: string,
  upstreamId: string,
  call: StreamCall,
): Promise<Result<unknown>> {
  const upstream = requireUpstream(await registry.upstream(upstreamId, "trusted"));
  if (!upstream.ok) return upstream;
  const acquired = await acquireCall(budget, upstream.value, tenant, "foreground");
  return acquired.ok ? stream.call(upstream.value, call) : acquired;
}
