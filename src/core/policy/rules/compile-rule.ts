import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { problem } from "../../shared/problem.ts";
import { RESERVED_KEYS } from "./reserved-keys.ts";
import { CUSTOM_KEY, METADATA_KEYS, type MetadataKey, type Setting, type Verbs } from "./metadata-keys.ts";
import type { AnyRule, Constraint, Context, CustomKeysRule } from "./rule.ts";

/** Keys of a document: lower case, because that is how they are compared and how they go upstream. */
const DOCUMENT_KEY = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** Verbs that mean the same for every key. */
const COMMON_VERBS = {
  required: v.optional(v.boolean(), false),
  deny: v.optional(v.boolean(), false),
  onViolation: v.optional(v.picklist(["reject", "clamp", "drop"]), "reject"),
};

const customKey = v.pipe(
  v.string(),
  v.check(
    (key) => DOCUMENT_KEY.test(key) && !RESERVED_KEYS.has(key),
    "must be a metadata key in lower case, and none of Sluice's own",
  ),
);

/** `*`: which other keys are let through as text, and what happens to the rest. */
export const customKeysSchema: v.GenericSchema<unknown, CustomKeysRule> = v.pipe(
  jsonObject({
    allow: v.optional(v.array(customKey), []),
    maxLength: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    pattern: v.optional(CUSTOM_KEY.verbs["pattern"] as v.GenericSchema<string>),
    onViolation: v.optional(v.picklist(["drop", "reject"]), "drop"),
  }),
  v.transform(({ allow, maxLength, pattern, onViolation }) => ({
    allow: new Set(allow),
    bounds: CUSTOM_KEY.bounds({ ...(maxLength && { maxLength }), ...(pattern !== undefined && { pattern }) }),
    onViolation,
  })),
);

/** Compiles what a document says about one metadata key. Refuses what could never be satisfied. */
export function compileRule(key: string, path: string, json: unknown): Result<AnyRule> {
  const refused = (message: string, at = path) => err(problem("body_invalid", `${at}: ${message}`, { key: at }));
  if (!DOCUMENT_KEY.test(key)) return refused("metadata keys are written in lower case");
  if (RESERVED_KEYS.has(key)) return refused("is a reserved key");

  const type: MetadataKey<unknown> = METADATA_KEYS.get(key) ?? CUSTOM_KEY;
  const optionalVerbs = Object.fromEntries(
    Object.entries(type.verbs).map(([verb, schema]) => [verb, v.optional(schema)]),
  );
  const parsed = v.safeParse(
    jsonObject({
      ...COMMON_VERBS,
      force: v.optional(type.setting),
      default: v.optional(type.setting),
      ...optionalVerbs,
    }),
    json,
  );
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return refused(issue.message, [path, v.getDotPath(issue)].filter(Boolean).join("."));
  }
  const { force, default: fallback, required, deny, onViolation, ...verbs } = parsed.output;
  if (force !== undefined && (fallback !== undefined || required || deny))
    return refused("force leaves no room for default, required or deny");
  if (required && (fallback !== undefined || deny)) return refused("required contradicts default and deny");

  const bounds = type.bounds(verbs);
  const all = [...bounds, ...type.type.bounds];
  const { min, max }: Verbs = verbs;
  for (const [verb, setting, within] of [
    ["force", force, all],
    ["default", fallback, all],
    // Beyond Stream's own on its side, each end changes nothing; beyond the other end, it leaves nothing.
    ["min", min, all.filter((bound) => bound.verb === "max")],
    ["max", max, all.filter((bound) => bound.verb === "min")],
  ] as const) {
    const broken = setting === undefined ? undefined : brokenBy(type, setting, within);
    if (broken) return refused(`${broken.message}, by the rule itself or by Stream`, `${path}.${verb}`);
  }
  return ok({
    path,
    ...(force !== undefined && { force: type.resolve(force) }),
    ...(fallback !== undefined && { default: type.resolve(fallback) }),
    required,
    ...(deny && { deny: `${path}.deny` }),
    bounds,
    onViolation,
  });
}

/** `auto` fits itself to the bounds of the moment; every other setting has to lie within them at any time. */
function brokenBy<V>(
  type: MetadataKey<V>,
  setting: Setting,
  bounds: readonly Constraint<V>[],
): Constraint<V> | undefined {
  if (setting === "auto") return undefined;
  const context: Context = { now: 0, length: 0 };
  const value = type.resolve(setting)(context);
  return bounds.find((bound) => !bound.allows(value, context));
}
