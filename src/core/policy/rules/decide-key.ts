import { type Problem, type ProblemCode, problem } from "../../shared/problem.ts";
import { clip } from "../../shared/text.ts";
import type { Explanation } from "./policy-decision.ts";
import type { Bound, Context, KeyType, Rule } from "./rule.ts";

/** One metadata key of a creation, and all that has a say in it. */
export interface KeyQuestion<V> {
  readonly key: string;
  readonly type: KeyType<V>;
  /** What each document says about the key, the tenant's first. */
  readonly rules: readonly Rule<V>[];
  /** The client's decoded text; an empty one has been left out by the caller. */
  readonly asked: string | undefined;
  readonly context: Context;
}

export interface KeyDecision {
  readonly explanation: Explanation;
  /** Decoded text for Stream; undefined where the key stays away. */
  readonly text?: string | undefined;
  readonly refusal?: Problem;
}

/**
 * Decides one metadata key: what a rule forces; else what the client asks for, held against each document in turn; else
 * the most specific default; else its absence. Whatever comes of it satisfies every bound of every rule and of Stream.
 */
export function decideKey<V>(question: KeyQuestion<V>): KeyDecision {
  const { key, type, rules, asked } = question;
  // Most keys of most creations: nobody asks for them, and nobody has anything to say.
  if (asked === undefined && rules.length === 0 && !type.default) return { explanation: { key, outcome: "absent" } };

  const forced = useForce(question);
  if (forced) return forced;
  const judged = asked === undefined ? {} : judgeAsked(question, asked);
  if ("decision" in judged) return judged.decision;
  return useDefault(question, judged.droppedBy) ?? useAbsence(question, judged.droppedBy);
}

function useForce<V>(question: KeyQuestion<V>): KeyDecision | undefined {
  const { type, rules, context } = question;
  const forcing = rules.find((rule) => rule.force);
  if (!forcing?.force) return undefined;
  const value = forcing.force(context);
  const text = type.format(value);
  const contradicting =
    rules.find((rule) => rule.force && type.format(rule.force(context)) !== text) ??
    (text === undefined
      ? rules.slice(0, rules.indexOf(forcing)).find((rule) => setsByDefault(question, rule))
      : undefined);
  return contradicting || !settingRules(rules).includes(forcing) || !permitted(question, value)
    ? refused(
        question,
        "policy_conflict",
        "is forced to a value that another rule forbids",
        (contradicting ?? forcing).path,
      )
    : applied(question, "forced", value, `${forcing.path}.force`);
}

type Judgement = { readonly decision: KeyDecision } | { readonly droppedBy?: string };

function judgeAsked<V>(question: KeyQuestion<V>, asked: string): Judgement {
  const { key, type, rules, context } = question;
  const denying = rules.find((rule) => rule.deny);
  if (denying?.deny)
    return denying.onViolation === "drop"
      ? { droppedBy: denying.deny }
      : { decision: refused(question, "policy_violation", "may not be set by the client", denying.deny) };

  const parsed = type.parse(asked);
  if (parsed === undefined) {
    const dropping = rules.find((rule) => rule.onViolation === "drop");
    return dropping
      ? { droppedBy: `${dropping.path}.onViolation` }
      : {
          decision: refused(question, "metadata_value_invalid", `must be ${type.expects}`, `stream.metadata.${key}`),
        };
  }

  let value = parsed;
  let clampedBy: string | undefined;
  for (const rule of rules) {
    for (const bound of rule.bounds) {
      if (bound.permits(value, context)) continue;
      const path = `${rule.path}.${bound.verb}`;
      if (rule.onViolation === "drop") return { droppedBy: path };
      const nearest = rule.onViolation === "clamp" ? bound.nearest?.(value, context) : undefined;
      if (nearest === undefined) return { decision: refused(question, "policy_violation", bound.demand, path) };
      value = nearest;
      clampedBy = path;
    }
  }
  const broken = violated(type, value, context);
  if (broken) return { decision: refused(question, "metadata_value_invalid", broken.demand, `stream.metadata.${key}`) };
  // What one rule clamps to, a rule before it may forbid.
  const undone = clampedBy && violatedByAny(rules, value, context);
  if (undone) return { decision: refused(question, "policy_conflict", undone.demand, clampedBy) };
  return { decision: applied(question, clampedBy ? "clamped" : "accepted", value, clampedBy) };
}

/** A default is nobody's wish: it gives way to any bound, and where it cannot, it is not there. */
function useDefault<V>(question: KeyQuestion<V>, droppedBy: string | undefined): KeyDecision | undefined {
  const { key, type, rules, context } = question;
  const use = (from: ((context: Context) => V) | undefined, path: string) => {
    const value = from && fit(question, from(context));
    return value === undefined
      ? undefined
      : applied(question, droppedBy ? "dropped" : "defaulted", value, droppedBy ?? path);
  };
  let off: KeyDecision | undefined;
  for (const rule of settingRules(rules).toReversed()) {
    const decision = use(rule.default, `${rule.path}.default`);
    // No client can take a flag away that is set by default; so no later document can.
    if (decision && decision.text !== undefined) return decision;
    off ??= decision;
  }
  return off ?? use(type.default, `stream.metadata.${key}`);
}

function setsByDefault<V>({ type, context }: KeyQuestion<V>, rule: Rule<V>): boolean {
  return rule.default !== undefined && type.format(rule.default(context)) !== undefined;
}

function useAbsence<V>(question: KeyQuestion<V>, droppedBy: string | undefined): KeyDecision {
  const { key, type, rules, asked, context } = question;
  const requiring = rules.find((rule) => rule.required);
  if (requiring) return refused(question, "policy_violation", "is required", `${requiring.path}.required`);
  if (type.default)
    return refused(question, "policy_conflict", "has no value that every rule permits", rules.at(-1)?.path);

  for (const rule of type.absence === undefined ? [] : rules) {
    const broken = violated(rule, type.absence as V, context);
    if (!broken) continue;
    const path = `${rule.path}.${broken.verb}`;
    const value = rule.onViolation === "clamp" ? fit(question, type.absence as V) : undefined;
    return value === undefined
      ? refused(question, "policy_violation", `is required and ${broken.demand}`, path)
      : applied(question, "clamped", value, path);
  }
  return { explanation: { key, outcome: droppedBy ? "dropped" : "absent", asked, rule: droppedBy } };
}

/** What one document keeps from the client, the next may not set in the client's stead: it only narrows. */
function settingRules<V>(rules: readonly Rule<V>[]): readonly Rule<V>[] {
  const denies = rules.findIndex((rule) => rule.deny);
  return denies < 0 ? rules : rules.slice(0, denies + 1);
}

/** The nearest value within all bounds. */
function fit<V>(question: KeyQuestion<V>, wanted: V): V | undefined {
  const { type, rules, context } = question;
  let value: V | undefined = wanted;
  for (const { bounds } of [...rules, type]) {
    for (const bound of bounds) {
      if (bound.permits(value, context)) continue;
      value = bound.nearest?.(value, context);
      if (value === undefined) return undefined;
    }
  }
  return permitted(question, value) ? value : undefined;
}

/** A value that keeps the key away (a flag that is off) is none where a rule requires the key. */
function permitted<V>({ type, rules, context }: KeyQuestion<V>, value: V): boolean {
  if (violatedByAny(rules, value, context) || violated(type, value, context)) return false;
  return !rules.some((rule) => rule.required) || type.format(value) !== undefined;
}

interface Bounded<V> {
  readonly bounds: readonly Bound<V>[];
}

function violated<V>({ bounds }: Bounded<V>, value: V, context: Context): Bound<V> | undefined {
  return bounds.find((bound) => !bound.permits(value, context));
}

function violatedByAny<V>(rules: readonly Bounded<V>[], value: V, context: Context): Bound<V> | undefined {
  for (const rule of rules) {
    const broken = violated(rule, value, context);
    if (broken) return broken;
  }
  return undefined;
}

function applied<V>(
  { key, type, asked }: KeyQuestion<V>,
  outcome: Explanation["outcome"],
  value: V,
  rule: string | undefined,
): KeyDecision {
  const text = type.format(value);
  return { explanation: { key, outcome, asked, applied: text, rule }, text };
}

function refused<V>(
  { key, asked }: KeyQuestion<V>,
  code: ProblemCode,
  demand: string,
  rule: string | undefined,
): KeyDecision {
  const quoted = asked === undefined ? "" : ` (asked for: "${clip(asked)}")`;
  return {
    explanation: { key, outcome: "refused", asked, rule },
    refusal: problem(code, `${key} ${demand}${quoted}.`, { key, ...(rule && { facts: { rule } }) }),
  };
}
