import { METADATA_KEYS } from "../../policy/rules/metadata-keys.ts";
import type { Explanation } from "../../policy/rules/policy-decision.ts";

const LOGGED_KEYS: ReadonlySet<string> = new Set([...METADATA_KEYS.keys(), "length", "filetype", "creator", "origin"]);

/**
 * The policy decision for the request log: outcome by key, without values and without absent keys. Custom metadata keys
 * are left out, because clients choose their names.
 */
export function summarizeDecision(
  explanations: readonly Explanation[],
): Readonly<Record<string, Explanation["outcome"]>> {
  const logged = explanations.filter(({ key, outcome }) => outcome !== "absent" && LOGGED_KEYS.has(key));
  return Object.fromEntries(logged.map(({ key, outcome }) => [key, outcome]));
}
