import { invalidField } from "../../core/shared/invalid-field.ts";
import type { Err } from "../../core/shared/result.ts";

/** A policy or limits without members, as stored. */
export const EMPTY = "{}";

/**
 * Why a tenant or plan was not written.
 *
 * @param given the members that are not emptied by leaving them out, as sent
 * @param stored the same members as JSON; null: there is no such document yet
 */
export function whyNotPut<const Member extends "policy" | "limits">(
  what: "tenant" | "plan",
  given: Readonly<Record<Member, unknown>>,
  stored: Readonly<Record<NoInfer<Member>, string>> | null,
  upstream: string | null | undefined,
): Err {
  const missing = (Object.keys(given) as Member[]).find(
    (member) => given[member] === undefined && stored && stored[member] !== EMPTY,
  );
  return missing === undefined
    ? invalidField("upstream", `there is no upstream "${upstream}"`)
    : invalidField(missing, `is required, since the ${what} has one that is not empty; {} empties it`);
}
