import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { problem } from "../../shared/problem.ts";
import { uploadBounds } from "../../quota/rules/upload-bounds.ts";
import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import { truncate } from "../../shared/text.ts";
import { messageOf } from "./constraints.ts";
import type { MetadataKey, Setting, Verbs } from "./metadata-key.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import { RESERVED_KEYS } from "./reserved-keys.ts";
import type { AnyRule, Constraint, Context, CustomKeysRule } from "./rule.ts";
import { CUSTOM_KEY, patternSchema } from "./text-keys.ts";

/** Keys in a document are in lower case: so they are compared, and so they are sent to Stream. */
const DOCUMENT_KEY = /^[a-z0-9][a-z0-9_.-]{0,63}$/;
const DOCUMENT_KEY_FORM = 'must be a lower-case key of at most 64 letters, digits, "_", "." and "-"';

/** Verbs that mean the same for every key. */
const COMMON_VERBS = {
  required: v.optional(v.boolean(), false),
  deny: v.optional(v.boolean(), false),
  onViolation: v.optional(v.picklist(["reject", "clamp", "drop"]), "reject"),
};

/**
 * Compiles the rule of a document for one metadata key.
 *
 * @param path of the rule in the document, named in the refusal
 * @param maxima of the Stream account
 * @returns `body_invalid` for a malformed rule, and for one that no value can satisfy
 */
export function compileRule(key: string, path: string, json: unknown, maxima: AccountMaxima): Result<AnyRule> {
  const invalid = (message: string, at = path) => err(problem("body_invalid", `${at}: ${message}`, { key: at }));
  if (!DOCUMENT_KEY.test(key)) return invalid(DOCUMENT_KEY_FORM);
  if (RESERVED_KEYS.has(key)) return invalid("is reserved for Sluice");

  const metadataKey: MetadataKey<unknown> = METADATA_KEYS.get(key) ?? CUSTOM_KEY;
  const parsed = v.safeParse(ruleSchema(metadataKey), json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return invalid(issue.message, [path, v.getDotPath(issue)].filter(Boolean).join("."));
  }
  const { force, default: fallback, required, deny, onViolation, ...verbs } = parsed.output;
  if (force !== undefined && (fallback !== undefined || required || deny))
    return invalid("force cannot be combined with default, required or deny");
  if (required && (fallback !== undefined || deny)) return invalid("required cannot be combined with default or deny");

  const largest = metadataKey.largestSetting?.(maxima) ?? Number.POSITIVE_INFINITY;
  for (const [verb, setting] of Object.entries({ force, default: fallback, ...verbs }))
    for (const found of Array.isArray(setting) ? setting : [setting])
      if (typeof found === "number" && found > largest)
        return invalid(`must be at most ${largest}, Stream's maximum (found: ${found})`, `${path}.${verb}`);

  const constraints = metadataKey.constraints(verbs);
  const all = [...constraints, ...metadataKey.type.constraints];
  const { min, max }: Verbs = verbs;
  const context: Context = { now: 0, length: 0, bounds: uploadBounds(maxima, {}) };
  for (const [verb, setting, bounds] of [
    ["force", force, all],
    ["default", fallback, all],
    // A `min` below Stream's minimum has no effect, and is accepted; one above a maximum leaves no value at all.
    ["min", min, all.filter(({ verb }) => verb === "max")],
    ["max", max, all.filter(({ verb }) => verb === "min")],
  ] as const) {
    const violated = setting === undefined ? undefined : findViolated(metadataKey, setting, bounds, context);
    if (violated) {
      const bound = `${constraints.includes(violated) ? "the rule's" : "Stream's"} ${violated.verb}`;
      const found = truncate(JSON.stringify(setting));
      return invalid(`${messageOf(violated, context)}, ${bound} (found: ${found})`, `${path}.${verb}`);
    }
  }
  return ok({
    path,
    ...(force !== undefined && { force: metadataKey.resolve(force) }),
    ...(fallback !== undefined && { default: metadataKey.resolve(fallback) }),
    required,
    ...(deny && { deny: `${path}.deny` }),
    constraints,
    onViolation,
  });
}

function ruleSchema({ setting, verbs }: MetadataKey<unknown>) {
  const optionalVerbs = Object.fromEntries(Object.entries(verbs).map(([verb, schema]) => [verb, v.optional(schema)]));
  return jsonObject({ ...COMMON_VERBS, force: v.optional(setting), default: v.optional(setting), ...optionalVerbs });
}

/** `auto` adapts to the bounds of each creation; every other setting must satisfy them at any time. */
function findViolated<V>(
  metadataKey: MetadataKey<V>,
  setting: Setting,
  constraints: readonly Constraint<V>[],
  context: Context,
): Constraint<V> | undefined {
  if (setting === "auto") return undefined;
  const value = metadataKey.resolve(setting)(context);
  return constraints.find((constraint) => !constraint.allows(value, context));
}

const allowedKey = v.pipe(
  v.string(),
  v.regex(DOCUMENT_KEY, DOCUMENT_KEY_FORM),
  v.check((key) => !RESERVED_KEYS.has(key), "is reserved for Sluice"),
);

/** The rule `*`: which custom keys are allowed, as which texts, and what happens to the others. */
export const customKeysSchema: v.GenericSchema<unknown, CustomKeysRule> = v.pipe(
  jsonObject({
    allow: v.optional(v.array(allowedKey), []),
    maxLength: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    pattern: v.optional(patternSchema),
    onViolation: v.optional(v.picklist(["drop", "reject"]), "drop"),
  }),
  v.transform(({ allow, maxLength, pattern, onViolation }) => ({
    allow: new Set(allow),
    constraints: CUSTOM_KEY.constraints({ ...(maxLength && { maxLength }), ...(pattern !== undefined && { pattern }) }),
    onViolation,
  })),
);
