import { invalidField } from "../../core/shared/invalid-field.ts";
import type { Err } from "../../core/shared/result.ts";

/** A policy or limits without members, as stored. */
export const EMPTY = "{}";

interface Settings {
  readonly policy?: unknown;
  readonly limits?: unknown;
}

/**
 * Why a tenant or plan was not written.
 *
 * @param given as sent: what is not empty is not emptied by leaving it out
 * @param stored null: there is no such document yet
 */
export function whyNotPut(
  what: "tenant" | "plan",
  given: Settings,
  stored: Settings | null,
  upstream: string | null | undefined,
): Err {
  for (const member of ["policy", "limits"] as const)
    if (given[member] === undefined && stored && JSON.stringify(stored[member]) !== EMPTY)
      return invalidField(member, `is required, since the ${what} has one that is not empty; {} empties it`);
  return invalidField("upstream", `there is no upstream "${upstream}"`);
}
