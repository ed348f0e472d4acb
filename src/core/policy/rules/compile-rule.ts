import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { type Result, ok } from "../../shared/result.ts";
import { uploadBounds } from "../../quota/rules/upload-bounds.ts";
import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import { truncate } from "../../shared/text.ts";
import { messageOf } from "./constraints.ts";
import { type Faults, dotPath, refuse, refuseIssues, unmatched, withoutEffect } from "./faults.ts";
import { HOST_EXPECTED, isHost } from "./hosts.ts";
import type { MetadataKey, Setting, Verbs } from "./metadata-key.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { AnyRule, Constraint, Context } from "./rule.ts";
import { compileAsWritten } from "./pattern.ts";
import { CUSTOM_KEY } from "./text-keys.ts";

/** Verbs that mean the same for every key. */
const COMMON_VERBS = {
  required: v.optional(v.boolean(), false),
  deny: v.optional(v.boolean(), false),
  onViolation: v.optional(v.picklist(["reject", "clamp", "drop"]), "reject"),
};

/** A `maxLength` is compared with Stream's by a text of that length; Stream's longest text with a bound has 32 characters. */
const MAX_TRIED_CHARACTERS = 100;

/**
 * Compiles the rule of a document for one metadata key.
 *
 * @param pointer of the rule in the document
 * @param maxima of the Stream account
 * @returns `body_invalid` for a malformed rule, and for one that no value can satisfy
 */
export function compileRule(
  key: string,
  pointer: string,
  json: unknown,
  maxima: AccountMaxima,
  faults: Faults,
): Result<AnyRule> {
  const metadataKey: MetadataKey<unknown> = METADATA_KEYS.get(key) ?? CUSTOM_KEY;
  const parsed = v.safeParse(ruleSchema(metadataKey), json);
  if (!parsed.success) return refuseIssues(pointer, parsed.issues);
  const { force, default: fallback, required, deny, onViolation, ...verbs } = parsed.output;
  if (force !== undefined && (fallback !== undefined || required || deny))
    return refuse(pointer, "force cannot be combined with default, required or deny");
  if (required && (fallback !== undefined || deny))
    return refuse(pointer, "required cannot be combined with default or deny");

  let constraints = metadataKey.constraints(verbs);
  const stream = metadataKey.type.constraints;
  const all = [...constraints, ...stream];
  const ends = all.filter(({ verb }) => verb === "min" || verb === "max");
  const { min, max, maxLength, pattern = "", oneOf = [], within }: Verbs = verbs;
  const context: Context = { now: 0, length: 0, bounds: uploadBounds(maxima, {}) };
  for (const [verb, setting, bounds, found = setting] of [
    ["force", force, all],
    ["default", fallback, all],
    ["min", min, ends],
    ["max", max, ends],
    ["maxLength", maxLength && "x".repeat(Math.min(maxLength, MAX_TRIED_CHARACTERS)), stream, maxLength],
    ...oneOf.map((choice) => ["oneOf", choice, stream] as const),
  ] as const) {
    const violated = setting === undefined ? undefined : findViolated(metadataKey, setting, bounds, context);
    if (!violated) continue;
    const bound = `${constraints.includes(violated) ? "the rule's" : "Stream's"} ${violated.verb}`;
    const message = `${messageOf(violated, context)}, ${bound} (found: ${truncate(JSON.stringify(found))})`;
    const at = `${pointer}/${verb}`;
    const fitted =
      violated.verb === "pattern" ? compileAsWritten(pattern)?.(String(setting)) : violated.allows(setting, context);
    if (bounds === all && fitted) {
      // It satisfied its rule before texts were normalised: the rule still takes it.
      const own = metadataKey.resolve(setting as Setting)(context);
      constraints = constraints.map((constraint) => ({
        ...constraint,
        allows: (value, at) => value === own || constraint.allows(value, at),
      }));
    }
    // A bound that is wider than Stream's own has no effect; everything else leaves no value at all.
    else if (bounds !== stream && verb !== violated.verb) return refuse(at, message);
    faults.push(withoutEffect(at, message, typeof found === "number" ? found : String(found)));
  }
  if (oneOf.length > 0 && oneOf.every((choice) => findViolated(metadataKey, choice, constraints, context)))
    faults.push(
      withoutEffect(`${pointer}/oneOf`, "has no value that the rule's other bounds allow", truncate(oneOf.join())),
    );
  // Lists are of hosts.
  for (const [verb, setting] of Object.entries({ force, default: fallback, within }))
    for (const [index, found] of Array.isArray(setting) ? setting.entries() : [])
      if (!isHost(found)) faults.push(unmatched(`${pointer}/${verb}/${index}`, HOST_EXPECTED, found));
  return ok({
    path: dotPath(pointer),
    ...(force !== undefined && { force: metadataKey.resolve(force) }),
    ...(fallback !== undefined && { default: metadataKey.resolve(fallback) }),
    required,
    ...(deny && { deny: `${dotPath(pointer)}.deny` }),
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
