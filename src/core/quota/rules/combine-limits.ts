import { isJsonObject } from "../../shared/json.ts";
import type { Limits, LimitsPatch } from "./limits.ts";

/** A plan's limits, with each number that the tenant names in place of the plan's; `null` removes it. */
export function combineLimits(plan: Limits, own: LimitsPatch): Limits {
  return combine(plan, own);
}

function combine(plan: object, own: object): object {
  const combined = new Map<string, unknown>(Object.entries(plan));
  for (const [name, value] of Object.entries(own) as [string, unknown][])
    if (value === null) combined.delete(name);
    else
      combined.set(
        name,
        isJsonObject(value) ? combine((combined.get(name) as object | undefined) ?? {}, value) : value,
      );
  return Object.fromEntries(combined);
}
