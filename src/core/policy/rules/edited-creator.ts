import { type Problem, problem } from "../../shared/problem.ts";
import { type Result, err, ok } from "../../shared/result.ts";
import { type CreatorRequest, creatorSourceOf, decideCreator } from "./creator.ts";
import type { KeyChange } from "./decide-edited-key.ts";
import { memberPath } from "./member-path.ts";
import type { Policy } from "./policy.ts";

/**
 * Decides what an edit tells Stream of the person whose upload it is; the person stays. Only an API key may choose it, and only where
 * a creation with that key may.
 *
 * @param current what Stream is told now; "": nothing
 * @returns the creator, with the policy's prefix; "": none; `undefined` if nothing changes
 */
export function decideEditedCreator(
  policy: Policy,
  change: KeyChange,
  current: string,
  { caller, creatorDigest }: Pick<CreatorRequest, "caller" | "creatorDigest">,
): Result<string | undefined> {
  if (change === undefined || (change ?? "") === current) return ok(undefined);
  if (caller.kind !== "api-key") return err(notAllowed("can be changed with an API key only", "creator"));
  const fixing = policy.find((document) => !CHOSEN.has(creatorSourceOf(document)));
  if (fixing) return err(notAllowed("is fixed by the policy", `${memberPath(fixing, "creator")}.from`));
  // An empty text counts as absent, as in a creation.
  const decision = decideCreator(policy, {
    caller,
    ...(change && { creator: change }),
    ...(creatorDigest !== undefined && { creatorDigest }),
  });
  return decision.refusal ? err(decision.refusal) : ok(decision.value ?? "");
}

/** Sources of the creator that leave it to the client of an API key. */
const CHOSEN: ReadonlySet<string> = new Set(["caller", "client"]);

function notAllowed(message: string, rule: string): Problem {
  return problem("policy_violation", `creator ${message}.`, { key: "creator", facts: { rule } });
}
