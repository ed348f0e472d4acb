import * as v from "valibot";
import { type Result, ok } from "../../shared/result.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { nearestWord } from "../../shared/text.ts";
import type { Warning } from "../../shared/warning.ts";
import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import { compileRule } from "./compile-rule.ts";
import { type Faults, dotPath, faultAt, refuse, refuseIssues, withoutEffect } from "./faults.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { PolicyDocument } from "./policy.ts";
import { RESERVED_KEYS } from "./reserved-keys.ts";
import type { AnyRule, CustomKeysRule } from "./rule.ts";
import { CUSTOM_KEY, patternSchema } from "./text-keys.ts";

/** Rules as JSON. */
export type RulesByKey = Readonly<Record<string, unknown>>;

/** Rules under `metadata`, or under `custom`. */
const MAX_RULES = 64;

/** A custom key in the spelling in which Stream gets it; keys are compared without case. */
const CUSTOM_KEY_NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/i;

/** The rule `*`: which custom keys are allowed, as which texts, and what happens to the others. */
const customKeysSchema = jsonObject({
  allow: v.optional(v.array(v.string()), []),
  maxLength: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  pattern: v.exactOptional(patternSchema),
  onViolation: v.optional(v.picklist(["drop", "reject"]), "drop"),
});

/**
 * Compiles the rules of a document. In version 0.1, custom keys and `*` stood under `metadata`: now that is a fault.
 *
 * @param members the document's `metadata` and `custom`: rules by key
 * @returns `body_invalid` with the path of the fault
 */
export function compileRules(
  source: PolicyDocument["source"],
  members: Readonly<Record<"metadata" | "custom", RulesByKey>>,
  maxima: AccountMaxima,
  faults: Faults,
): Result<Pick<PolicyDocument, "rules" | "spellings" | "customKeys">> {
  const rules = new Map<string, AnyRule>();
  const spellings = new Map<string, string>();
  let customKeys: CustomKeysRule | undefined;

  for (const [member, rulesByKey] of Object.entries(members)) {
    const entries = Object.entries(rulesByKey);
    if (entries.length > MAX_RULES)
      return refuse(`/${source}/${member}`, `must have at most ${MAX_RULES} keys (found: ${entries.length})`);
    for (const [name, json] of entries) {
      const pointer = `/${source}/${member}/${name}`;
      if (member === "metadata" && !METADATA_KEYS.has(name)) faults.push(misplaced(pointer, name));
      if (name === "*") {
        if (json === null) continue;
        const rule = compileCustomKeys(pointer, json, spellings, faults);
        if (!rule.ok) return rule;
        customKeys = rule.value;
        continue;
      }
      const key = name.toLowerCase();
      const streamKey = `/${source}/metadata/${key}`;
      const isStreamKey = METADATA_KEYS.has(key);
      const error = isStreamKey
        ? pointer !== streamKey && `is one of Stream's keys: write ${dotPath(streamKey)}`
        : spell(name, spellings);
      if (error) return refuse(pointer, error);
      // It removes the rule of a plan.
      if (json === null) continue;
      const rule = compileRule(key, pointer, json, maxima, faults);
      if (!rule.ok) return rule;
      rules.set(key, rule.value);
    }
  }
  return ok({ rules, spellings, ...(customKeys && { customKeys }) });
}

function compileCustomKeys(
  pointer: string,
  json: unknown,
  spellings: Map<string, string>,
  faults: Faults,
): Result<CustomKeysRule> {
  const parsed = v.safeParse(customKeysSchema, json);
  if (!parsed.success) return refuseIssues(pointer, parsed.issues);
  const { allow, onViolation, ...verbs } = parsed.output;
  for (const [index, name] of allow.entries()) {
    const at = `${pointer}/allow/${index}`;
    const error = spell(name, spellings);
    if (error !== undefined) return refuse(at, error);
    if (METADATA_KEYS.has(name.toLowerCase())) faults.push(withoutEffect(at, "is one of Stream's keys", name));
  }
  return ok({
    path: dotPath(pointer),
    allow: new Set(allow.map((name) => name.toLowerCase())),
    constraints: CUSTOM_KEY.constraints(verbs),
    onViolation,
  });
}

/**
 * Records how the document spells a custom key.
 *
 * @returns what is wrong with the key
 */
function spell(name: string, spellings: Map<string, string>): string | undefined {
  const key = name.toLowerCase();
  if (!CUSTOM_KEY_NAME.test(name)) return 'must be a key of at most 64 letters, digits, "_", "." and "-"';
  if (RESERVED_KEYS.has(key)) return "is reserved for Sluice";
  const spelling = spellings.get(key) ?? name;
  spellings.set(key, spelling);
  return spelling === name ? undefined : `is the same key as "${spelling}"`;
}

function misplaced(pointer: string, found: string): Warning {
  const nearest = nearestWord(found, METADATA_KEYS.keys());
  const hint = nearest === undefined ? "" : ` (nearest: "${nearest}")`;
  return {
    ...faultAt(pointer, `is not one of Stream's keys${hint}; other keys belong under "custom"`),
    code: "unknown_metadata_key",
    found,
    ...(nearest !== undefined && { nearest }),
  };
}
