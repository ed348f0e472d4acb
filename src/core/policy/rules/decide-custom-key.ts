import type { MetadataValue } from "../../uploads/rules/metadata-value.ts";
import { type KeyDecision, decideKey } from "./decide-key.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { PolicyRequest } from "./policy-decision.ts";
import type { Policy } from "./policy.ts";
import { RESERVED_KEYS, isAddedByUploader } from "./reserved-keys.ts";
import type { AnyRule, Context, CustomKeysRule, Rule } from "./rule.ts";
import { CUSTOM_KEY } from "./text-keys.ts";

/** Keys without a meaning to Stream that the client sends or a document has a rule for. */
export function customKeysOf(policy: Policy, { metadata }: Pick<PolicyRequest, "metadata">): ReadonlySet<string> {
  const custom = new Set<string>();
  for (const keys of [metadata, ...policy.map(({ rules }) => rules)])
    for (const key of keys.keys()) if (!METADATA_KEYS.has(key) && !RESERVED_KEYS.has(key)) custom.add(key);
  return custom;
}

/**
 * Decides a custom key: it is sent to Stream only if the tenant's document allows it by name and no grant excludes it. The
 * decision names it as the document spells it. (Assumed: Stream keeps the case of custom keys.)
 */
export function decideCustomKey(
  policy: Policy,
  key: string,
  requested: MetadataValue | undefined,
  context: Context,
): KeyDecision {
  const rules = customRules(policy, key, requested);
  return decideKey({ key: spellingOf(policy, key), type: CUSTOM_KEY.type, rules, requested, context });
}

/** The tenant's spelling of a lower-case key, else a grant's. */
export function spellingOf(policy: Policy, key: string): string {
  return policy.map(({ spellings }) => spellings.get(key)).find((spelling) => spelling !== undefined) ?? key;
}

/** The rule of each document for a custom key: its own, or what `*` says about it. */
export function customRules(policy: Policy, key: string, requested: MetadataValue | undefined): Rule<string>[] {
  const rules: Rule<string>[] = [];
  for (const document of policy) {
    const { source, customKeys } = document;
    const rule = document.rules.get(key);
    if (rule) rules.push(rule);
    else if (customKeys?.allow.has(key)) rules.push({ ...customKeys, required: false });
    else if (customKeys || source === "policy")
      rules.push(denyRule(customKeys ?? NO_CUSTOM_KEYS, isAddedByUploader(key, requested ?? "")));
  }
  return rules;
}

/** What a tenant's document without the rule `*` says. */
const NO_CUSTOM_KEYS = { path: "policy.custom.*", onViolation: "drop" } as const;

function denyRule(
  { path, onViolation }: Pick<CustomKeysRule, "path" | "onViolation">,
  isAddedByUploader: boolean,
): Rule<string> {
  return {
    path,
    required: false,
    deny: `${path}.allow`,
    constraints: [DENY_ALL],
    onViolation: isAddedByUploader ? "drop" : onViolation,
  };
}

/** Whether a rule says that its document does not name the key. */
export function isUnnamed({ constraints }: AnyRule): boolean {
  return constraints.some((constraint) => constraint === DENY_ALL);
}

/** Forbids the `force` and `default` of a grant, too. */
const DENY_ALL = {
  verb: "allow",
  message: "is not a key that this policy allows",
  allows: () => false,
  candidates: () => [],
};
