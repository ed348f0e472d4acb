import { type Problem, type ProblemCode, clip, problem } from "../problem.ts";
import type { Explanation } from "./decision.ts";
import type { Bound, Context, KeyType, Rule } from "./rule.ts";

export interface KeyDecision {
  readonly explanation: Explanation;
  /** Decoded text for Stream; undefined where the key stays away. */
  readonly text?: string;
  readonly refusal?: Problem;
}

/**
 * Decides one metadata key: what a rule forces; else what the client asks for, held against each document in turn; else
 * the most specific default; else its absence. Whatever comes of it satisfies every bound of every rule and of Stream.
 *
 * @param rules what each document says about the key, the tenant's first
 * @param asked the client's decoded text; an empty one has been left out by the caller
 */
export function decideKey<V>(
  key: string,
  type: KeyType<V>,
  rules: readonly Rule<V>[],
  asked: string | undefined,
  context: Context,
): KeyDecision {
  // Most keys of most creations: nobody asks for them, and nobody has anything to say.
  if (asked === undefined && rules.length === 0 && !type.default) return { explanation: { key, outcome: "absent" } };
  const bounds = rules.flatMap((rule) => rule.bounds);
  // What one document keeps from the client, the next may not set in the client's stead: it only narrows.
  const denies = rules.findIndex((rule) => rule.deny);
  const setting = denies < 0 ? rules : rules.slice(0, denies + 1);

  const forcing = rules.find((rule) => rule.force);
  if (forcing?.force) {
    const value = forcing.force(context);
    const contradicting = rules.find((rule) => rule.force && type.format(rule.force(context)) !== type.format(value));
    return contradicting || !setting.includes(forcing) || !permitted(value)
      ? refused("policy_conflict", "is forced to a value that another rule forbids", (contradicting ?? forcing).path)
      : applied("forced", value, `${forcing.path}.force`);
  }

  let droppedBy: string | undefined;
  if (asked !== undefined) {
    const judged = judgeAsked();
    if ("decision" in judged) return judged.decision;
    droppedBy = judged.droppedBy;
  }
  return useDefault() ?? useAbsence();

  function judgeAsked(): { readonly decision: KeyDecision } | { readonly droppedBy: string } {
    const denying = rules.find((rule) => rule.deny);
    if (denying?.deny)
      return denying.onViolation === "drop"
        ? { droppedBy: denying.deny }
        : { decision: refused("policy_violation", "may not be set by the client", denying.deny) };

    const parsed = type.parse(asked ?? "");
    if (parsed === undefined) {
      const dropping = rules.find((rule) => rule.onViolation === "drop");
      return dropping
        ? { droppedBy: `${dropping.path}.onViolation` }
        : { decision: refused("metadata_value_invalid", `must be ${type.expects}`, `stream.metadata.${key}`) };
    }

    let value = parsed;
    let clampedBy: string | undefined;
    for (const rule of rules) {
      for (const bound of rule.bounds) {
        if (bound.permits(value, context)) continue;
        const path = `${rule.path}.${bound.verb}`;
        if (rule.onViolation === "drop") return { droppedBy: path };
        const nearest = rule.onViolation === "clamp" ? bound.nearest?.(value, context) : undefined;
        if (nearest === undefined) return { decision: refused("policy_violation", bound.demand, path) };
        value = nearest;
        clampedBy = path;
      }
    }
    const broken = violated(type.bounds, value, context);
    if (broken) return { decision: refused("metadata_value_invalid", broken.demand, `stream.metadata.${key}`) };
    // What one rule clamps to, a rule before it may forbid.
    const undone = violated(bounds, value, context);
    if (undone) return { decision: refused("policy_conflict", undone.demand, clampedBy) };
    return { decision: clampedBy ? applied("clamped", value, clampedBy) : applied("accepted", value) };
  }

  /** A default is nobody's wish: it gives way to any bound, and where it cannot, it is not there. */
  function useDefault(): KeyDecision | undefined {
    const candidates = setting.toReversed().map((rule) => ({ from: rule.default, path: `${rule.path}.default` }));
    for (const { from, path } of [...candidates, { from: type.default, path: `stream.metadata.${key}` }]) {
      const value = from && fit(from(context));
      if (value !== undefined) return applied(droppedBy ? "dropped" : "defaulted", value, droppedBy ?? path);
    }
    return undefined;
  }

  function useAbsence(): KeyDecision {
    const requiring = rules.find((rule) => rule.required);
    if (requiring) return refused("policy_violation", "is required", `${requiring.path}.required`);
    if (type.default) return refused("policy_conflict", "has no value that every rule permits", rules.at(-1)?.path);

    for (const rule of type.absence === undefined ? [] : rules) {
      const broken = violated(rule.bounds, type.absence as V, context);
      if (!broken) continue;
      const value = rule.onViolation === "clamp" ? fit(type.absence as V) : undefined;
      return value === undefined
        ? refused("policy_violation", `is required and ${broken.demand}`, `${rule.path}.${broken.verb}`)
        : applied("clamped", value, `${rule.path}.${broken.verb}`);
    }
    const rule = droppedBy === undefined ? {} : { rule: droppedBy };
    return { explanation: { key, outcome: droppedBy ? "dropped" : "absent", ...wish(), ...rule } };
  }

  /** The nearest value within all bounds. */
  function fit(wanted: V): V | undefined {
    let value: V | undefined = wanted;
    for (const bound of [...bounds, ...type.bounds]) {
      if (bound.permits(value, context)) continue;
      value = bound.nearest?.(value, context);
      if (value === undefined) return undefined;
    }
    return permitted(value) ? value : undefined;
  }

  /** A value that keeps the key away (a flag that is off) is none where a rule requires the key. */
  function permitted(value: V): boolean {
    if (violated([...bounds, ...type.bounds], value, context)) return false;
    return type.format(value) !== undefined || !rules.some((rule) => rule.required);
  }

  function applied(outcome: Explanation["outcome"], value: V, rule?: string): KeyDecision {
    const text = type.format(value);
    const explanation = {
      key,
      outcome,
      ...wish(),
      ...(text !== undefined && { applied: text }),
      ...(rule && { rule }),
    };
    return text === undefined ? { explanation } : { explanation, text };
  }

  function refused(code: ProblemCode, demand: string, rule?: string): KeyDecision {
    const quoted = asked === undefined ? "" : ` (asked for: "${clip(asked)}")`;
    return {
      explanation: { key, outcome: "refused", ...wish(), ...(rule && { rule }) },
      refusal: problem(code, `${key} ${demand}${quoted}.`, { key, ...(rule && { facts: { rule } }) }),
    };
  }

  function wish(): { asked?: string } {
    return asked === undefined ? {} : { asked };
  }
}

function violated<V>(bounds: readonly Bound<V>[], value: V, context: Context): Bound<V> | undefined {
  return bounds.find((bound) => !bound.permits(value, context));
}
