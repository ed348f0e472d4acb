import { type Problem, type ProblemCode, problem } from "../../shared/problem.ts";
import { quoteRequested } from "../../shared/text.ts";
import { DECODABLE, type MetadataValue, quotable } from "../../uploads/rules/metadata-value.ts";
import { messageOf } from "./constraints.ts";
import type { Explanation } from "./policy-decision.ts";
import type { Constraint, Context, KeyType, Rule } from "./rule.ts";

/** One metadata key of a creation, and everything that its decision depends on. */
export interface KeyInput<V> {
  readonly key: string;
  readonly type: KeyType<V>;
  /** The rule of each document that has one for the key, the tenant's first. */
  readonly rules: readonly Rule<V>[];
  /** The client's value; `undefined` if it is absent, or empty and so counts as absent. */
  readonly requested: MetadataValue | undefined;
  readonly context: Context;
}

export interface KeyDecision {
  readonly explanation: Explanation;
  /** Decoded text for Stream; `undefined` if the key is absent. */
  readonly text?: string | undefined;
  readonly refusal?: Problem;
}

/**
 * Decides one metadata key: the value that a rule forces; else the client's value, checked against each rule in turn; else
 * the most specific default; else its absence. The result satisfies every constraint of every rule and of Stream.
 */
export function decideKey<V>(input: KeyInput<V>): KeyDecision {
  const { key, type, rules, requested } = input;
  // The common case, and fast: neither the client nor a rule sets the key.
  if (requested === undefined && rules.length === 0 && !type.default)
    return { explanation: { key, outcome: "absent" } };

  const forced = applyForce(input);
  if (forced) return forced;
  const evaluation = requested === undefined ? {} : evaluateRequested(input, requested);
  if ("decision" in evaluation) return evaluation.decision;
  return applyDefault(input, evaluation.droppedBy) ?? handleMissing(input, evaluation.droppedBy);
}

/** Whether a rule drops the client's value as if it had not been sent. */
export function isDropped<V>(input: KeyInput<V>): boolean {
  if (input.requested === undefined || input.rules.some(({ force }) => force)) return false;
  const evaluation = evaluateRequested(input, input.requested);
  return "droppedBy" in evaluation;
}

function applyForce<V>(input: KeyInput<V>): KeyDecision | undefined {
  const { type, rules, context } = input;
  const forcing = rules.find((rule) => rule.force);
  if (!forcing?.force) return undefined;
  const value = forcing.force(context);
  const text = type.format(value);
  const otherForce = rules.find((rule) => rule.force && type.format(rule.force(context)) !== text);
  // A client cannot unset a flag that a document sets by default, so a later document must not unset it, either.
  const undoneDefault =
    text === undefined ? rules.slice(0, rules.indexOf(forcing)).find((rule) => setsByDefault(input, rule)) : undefined;
  const contradicted = otherForce ?? undoneDefault;
  return contradicted || !rulesThatMaySet(rules).includes(forcing) || !isAllowed(input, value)
    ? refuse(
        input,
        "policy_conflict",
        "is forced to a value that another rule does not allow",
        (contradicted ?? forcing).path,
      )
    : apply(input, "forced", value, `${forcing.path}.force`);
}

function setsByDefault<V>({ type, context }: KeyInput<V>, rule: Rule<V>): boolean {
  return rule.default !== undefined && type.format(rule.default(context)) !== undefined;
}

/** A decision; or none yet, with the path of the rule if it dropped the client's value. */
type Evaluation = { readonly decision: KeyDecision } | { readonly droppedBy?: string };

function evaluateRequested<V>(input: KeyInput<V>, requested: MetadataValue): Evaluation {
  const { key, type, rules, context } = input;
  const streamPath = `stream.metadata.${key}`;
  const denying = rules.find((rule) => rule.deny);
  if (denying?.deny)
    return denying.onViolation === "drop"
      ? { droppedBy: denying.deny }
      : { decision: refuse(input, "policy_violation", "cannot be set by the client", denying.deny) };

  // A fault of the request, not a value that a rule does not allow.
  if (typeof requested === "object")
    return { decision: refuse(input, "upload_metadata_invalid", `must be ${DECODABLE}`, streamPath) };
  const parsed = type.parse(requested);
  if (parsed === undefined) {
    const dropping = rules.find((rule) => rule.onViolation === "drop");
    return dropping
      ? { droppedBy: `${dropping.path}.onViolation` }
      : { decision: refuse(input, "metadata_value_invalid", `must be ${type.expects}`, streamPath) };
  }

  let value = parsed;
  let clampedBy: string | undefined;
  for (const rule of rules) {
    for (const constraint of rule.constraints) {
      if (constraint.allows(value, context)) continue;
      const path = `${rule.path}.${constraint.verb}`;
      if (rule.onViolation === "drop") return { droppedBy: path };
      const clamped = rule.onViolation === "clamp" ? constraint.clamp?.(value, context) : undefined;
      if (clamped === undefined)
        return { decision: refuse(input, "policy_violation", messageOf(constraint, context), path) };
      value = clamped;
      clampedBy = path;
    }
  }
  const violated = findViolated(type, value, context);
  if (violated) return { decision: refuse(input, "metadata_value_invalid", messageOf(violated, context), streamPath) };
  // An earlier rule may not allow the value that a later one clamps to.
  const conflicting = clampedBy && findViolatedOfAny(rules, value, context);
  if (conflicting) return { decision: refuse(input, "policy_conflict", messageOf(conflicting, context), clampedBy) };
  return { decision: apply(input, clampedBy ? "clamped" : "accepted", value, clampedBy) };
}

/**
 * Applies the default of the last rule that may set the key, else the key's own. Defaults are clamped to every constraint,
 * whatever `onViolation` says, and skipped if no value satisfies them all.
 */
function applyDefault<V>(input: KeyInput<V>, droppedBy: string | undefined): KeyDecision | undefined {
  const { key, type, rules, context } = input;
  const tryDefault = (fallback: ((context: Context) => V) | undefined, path: string) => {
    const value = fallback && clampToAll(input, fallback(context));
    return value === undefined
      ? undefined
      : apply(input, droppedBy ? "dropped" : "defaulted", value, droppedBy ?? path);
  };
  let absent: KeyDecision | undefined;
  for (const rule of rulesThatMaySet(rules).toReversed()) {
    const decision = tryDefault(rule.default, `${rule.path}.default`);
    // A client cannot unset a flag that a document sets by default, so a later document must not unset it, either.
    if (decision && decision.text !== undefined) return decision;
    absent ??= decision;
  }
  return absent ?? tryDefault(type.default, type.defaultRule?.(context) ?? `stream.metadata.${key}`);
}

function handleMissing<V>(input: KeyInput<V>, droppedBy: string | undefined): KeyDecision {
  const { key, type, rules, requested, context } = input;
  const requiring = rules.find((rule) => rule.required);
  if (requiring) return refuse(input, "policy_violation", "is required", `${requiring.path}.required`);
  if (type.default) return refuse(input, "policy_conflict", "has no value that every rule allows", rules.at(-1)?.path);

  for (const rule of type.absence === undefined ? [] : rules) {
    const violated = findViolated(rule, type.absence as V, context);
    if (!violated) continue;
    const path = `${rule.path}.${violated.verb}`;
    const value = rule.onViolation === "clamp" ? clampToAll(input, type.absence as V) : undefined;
    return value === undefined
      ? refuse(input, "policy_violation", `is required and ${messageOf(violated, context)}`, path)
      : apply(input, "clamped", value, path);
  }
  return {
    explanation: { key, outcome: droppedBy ? "dropped" : "absent", requested: quotable(requested), rule: droppedBy },
  };
}

/** Rules whose `force` and `default` count. A document after one with `deny` only narrows: it cannot set the key. */
function rulesThatMaySet<V>(rules: readonly Rule<V>[]): readonly Rule<V>[] {
  const denying = rules.findIndex((rule) => rule.deny);
  return denying < 0 ? rules : rules.slice(0, denying + 1);
}

/** @returns the nearest value that satisfies all constraints; `undefined` if there is none */
function clampToAll<V>(input: KeyInput<V>, wanted: V): V | undefined {
  const { type, rules, context } = input;
  let value: V | undefined = wanted;
  for (const { constraints } of [...rules, type]) {
    for (const constraint of constraints) {
      if (constraint.allows(value, context)) continue;
      value = constraint.clamp?.(value, context);
      if (value === undefined) return undefined;
    }
  }
  return isAllowed(input, value) ? value : undefined;
}

/** A value that makes the key absent (a flag that is off) does not satisfy `required`. */
function isAllowed<V>({ type, rules, context }: KeyInput<V>, value: V): boolean {
  if (findViolatedOfAny(rules, value, context) || findViolated(type, value, context)) return false;
  return !rules.some((rule) => rule.required) || type.format(value) !== undefined;
}

interface Constrained<V> {
  readonly constraints: readonly Constraint<V>[];
}

function findViolated<V>({ constraints }: Constrained<V>, value: V, context: Context): Constraint<V> | undefined {
  return constraints.find((constraint) => !constraint.allows(value, context));
}

function findViolatedOfAny<V>(rules: readonly Constrained<V>[], value: V, context: Context): Constraint<V> | undefined {
  for (const rule of rules) {
    const violated = findViolated(rule, value, context);
    if (violated) return violated;
  }
  return undefined;
}

function apply<V>(
  { key, type, requested }: KeyInput<V>,
  outcome: Explanation["outcome"],
  value: V,
  rule: string | undefined,
): KeyDecision {
  const text = type.format(value);
  return { explanation: { key, outcome, requested: quotable(requested), applied: text, rule }, text };
}

function refuse<V>(
  { key, requested: value }: KeyInput<V>,
  code: ProblemCode,
  message: string,
  rule: string | undefined,
): KeyDecision {
  const requested = quotable(value);
  return {
    explanation: { key, outcome: "refused", requested, rule },
    refusal: problem(code, `${key} ${message}${quoteRequested(requested)}.`, { key, ...(rule && { facts: { rule } }) }),
  };
}
