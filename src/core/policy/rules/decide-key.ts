import { type Problem, type ProblemCode, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Explanation } from "./policy-decision.ts";
import type { Constraint, Context, KeyType, Rule } from "./rule.ts";

/** One metadata key of a creation, and all that has a say in it. */
export interface KeyInput<V> {
  readonly key: string;
  readonly type: KeyType<V>;
  /** What each document says about the key, the tenant's first. */
  readonly rules: readonly Rule<V>[];
  /** The client's decoded text; an empty one has been left out by the caller. */
  readonly requested: string | undefined;
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
export function decideKey<V>(question: KeyInput<V>): KeyDecision {
  const { key, type, rules, requested } = question;
  // Most keys of most creations: nobody asks for them, and nobody has anything to say.
  if (requested === undefined && rules.length === 0 && !type.default)
    return { explanation: { key, outcome: "absent" } };

  const forced = applyForce(question);
  if (forced) return forced;
  const judged = requested === undefined ? {} : evaluateRequested(question, requested);
  if ("decision" in judged) return judged.decision;
  return applyDefault(question, judged.droppedBy) ?? handleMissing(question, judged.droppedBy);
}

function applyForce<V>(question: KeyInput<V>): KeyDecision | undefined {
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

function evaluateRequested<V>(question: KeyInput<V>, asked: string): Judgement {
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
      if (bound.allows(value, context)) continue;
      const path = `${rule.path}.${bound.verb}`;
      if (rule.onViolation === "drop") return { droppedBy: path };
      const nearest = rule.onViolation === "clamp" ? bound.clamp?.(value, context) : undefined;
      if (nearest === undefined) return { decision: refused(question, "policy_violation", bound.message, path) };
      value = nearest;
      clampedBy = path;
    }
  }
  const broken = violated(type, value, context);
  if (broken)
    return { decision: refused(question, "metadata_value_invalid", broken.message, `stream.metadata.${key}`) };
  // What one rule clamps to, a rule before it may forbid.
  const undone = clampedBy && violatedByAny(rules, value, context);
  if (undone) return { decision: refused(question, "policy_conflict", undone.message, clampedBy) };
  return { decision: applied(question, clampedBy ? "clamped" : "accepted", value, clampedBy) };
}

/** A default is nobody's wish: it gives way to any bound, and where it cannot, it is not there. */
function applyDefault<V>(question: KeyInput<V>, droppedBy: string | undefined): KeyDecision | undefined {
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

function setsByDefault<V>({ type, context }: KeyInput<V>, rule: Rule<V>): boolean {
  return rule.default !== undefined && type.format(rule.default(context)) !== undefined;
}

function handleMissing<V>(question: KeyInput<V>, droppedBy: string | undefined): KeyDecision {
  const { key, type, rules, requested, context } = question;
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
      ? refused(question, "policy_violation", `is required and ${broken.message}`, path)
      : applied(question, "clamped", value, path);
  }
  return { explanation: { key, outcome: droppedBy ? "dropped" : "absent", requested: requested, rule: droppedBy } };
}

/** What one document keeps from the client, the next may not set in the client's stead: it only narrows. */
function settingRules<V>(rules: readonly Rule<V>[]): readonly Rule<V>[] {
  const denies = rules.findIndex((rule) => rule.deny);
  return denies < 0 ? rules : rules.slice(0, denies + 1);
}

/** The nearest value within all bounds. */
function fit<V>(question: KeyInput<V>, wanted: V): V | undefined {
  const { type, rules, context } = question;
  let value: V | undefined = wanted;
  for (const { bounds } of [...rules, type]) {
    for (const bound of bounds) {
      if (bound.allows(value, context)) continue;
      value = bound.clamp?.(value, context);
      if (value === undefined) return undefined;
    }
  }
  return permitted(question, value) ? value : undefined;
}

/** A value that keeps the key away (a flag that is off) is none where a rule requires the key. */
function permitted<V>({ type, rules, context }: KeyInput<V>, value: V): boolean {
  if (violatedByAny(rules, value, context) || violated(type, value, context)) return false;
  return !rules.some((rule) => rule.required) || type.format(value) !== undefined;
}

interface Bounded<V> {
  readonly bounds: readonly Constraint<V>[];
}

function violated<V>({ bounds }: Bounded<V>, value: V, context: Context): Constraint<V> | undefined {
  return bounds.find((bound) => !bound.allows(value, context));
}

function violatedByAny<V>(rules: readonly Bounded<V>[], value: V, context: Context): Constraint<V> | undefined {
  for (const rule of rules) {
    const broken = violated(rule, value, context);
    if (broken) return broken;
  }
  return undefined;
}

function applied<V>(
  { key, type, requested }: KeyInput<V>,
  outcome: Explanation["outcome"],
  value: V,
  rule: string | undefined,
): KeyDecision {
  const text = type.format(value);
  return { explanation: { key, outcome, requested: requested, applied: text, rule }, text };
}

function refused<V>(
  { key, requested }: KeyInput<V>,
  code: ProblemCode,
  demand: string,
  rule: string | undefined,
): KeyDecision {
  const quoted = requested === undefined ? "" : ` (asked for: "${truncate(requested)}")`;
  return {
    explanation: { key, outcome: "refused", requested: requested, rule },
    refusal: problem(code, `${key} ${demand}${quoted}.`, { key, ...(rule && { facts: { rule } }) }),
  };
}
