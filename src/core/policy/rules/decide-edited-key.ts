import { problem } from "../../shared/problem.ts";
import { parseTimestamp } from "../../shared/time.ts";
import { isUnnamed } from "./decide-custom-key.ts";
import { type KeyDecision, type KeyInput, decideKey, isDropped } from "./decide-key.ts";
import type { Rule } from "./rule.ts";

/** What an edit does to a key: sets it to a text, removes it (`null`), or does not touch it (`undefined`). */
export type KeyChange = string | null | undefined;

type Key<V> = Omit<KeyInput<V>, "requested">;

/** One metadata key of a video that is edited. Its `context` is that of the creation: `now` is when the upload was created. */
export interface EditedKey<V> extends Key<V> {
  readonly change: KeyChange;
  /** The text that Stream has; `undefined` if the key is absent there. */
  readonly current: string | undefined;
}

/**
 * Decides one key of an edit, so that the video satisfies the policy as if it had been created like this. What the caller sets or
 * removes is decided as for a creation; if the policy drops it, the caller has not touched the key.
 *
 * @param now seconds since the epoch
 * @returns `undefined` if nothing changes
 */
export function decideEditedKey<V>({ change, current, ...key }: EditedKey<V>, now: number): KeyDecision | undefined {
  const isChange = typeof change !== "string" || current === undefined || textOf(key, change) !== current;
  const changed = isChange ? decideTouchedKey(key, change, now) : undefined;
  const decision = changed ?? decideUntouched(key, current);
  if (decision.refusal) return decision;
  const isSame =
    decision.explanation.outcome === "accepted"
      ? !changed || decision.text === current
      : isAsCreated(key.key, decision.text, current);
  return isSame ? undefined : refusePast(decision, now);
}

/** @returns `undefined` if the caller does not touch the key, or the policy drops what it sends */
export function decideTouchedKey<V>(key: Key<V>, change: KeyChange, now: number): KeyDecision | undefined {
  if (change === undefined) return undefined;
  // A caller who must not set a key must not remove it, either.
  const requested = change ?? (key.rules.some(({ deny }) => deny !== undefined) ? "" : undefined);
  const input = { ...key, requested };
  return isDropped(input) ? undefined : refusePast(decideKey(input), now);
}

/**
 * What Stream has was not sent by this caller, so it may be a key that callers must not send, or one of other systems that no
 * document names. A default is for creations: it is used only where the key must not be absent.
 */
function decideUntouched<V>(key: Key<V>, current: string | undefined): KeyDecision {
  const rules = key.rules.filter((rule) => !isUnnamed(rule));
  if (rules.length === 0) return { explanation: { key: key.key, outcome: "accepted" }, text: current };
  if (current !== undefined) return decideAsCreated({ ...key, rules: rules.map(withoutDeny) }, current);
  const absent = decideKey({ ...key, rules: rules.map(withoutDefault), requested: undefined });
  return absent.refusal ? decideKey({ ...key, rules, requested: undefined }) : absent;
}

/** The text of a value in the form in which it is sent. */
function textOf<V>({ type }: Key<V>, text: string): string | undefined {
  const value = type.parse(text);
  return value === undefined ? undefined : type.format(value);
}

/** @param current was decided by the Worker's clock, at the creation: what was exactly at a bound then still is */
function decideAsCreated<V>(key: Key<V>, current: string): KeyDecision {
  const { context } = key;
  const decide = (skew: number) =>
    decideKey({ ...key, context: { ...context, now: context.now + skew }, requested: current });
  const decision = decide(0);
  if (!decision.refusal || !TIMES.has(key.key)) return decision;
  return [SKEW_SECONDS, -SKEW_SECONDS].map(decide).find(({ refusal }) => !refusal) ?? decision;
}

function withoutDeny<V>(rule: Rule<V>): Rule<V> {
  const { deny: _, ...rest } = rule;
  return rest;
}

function withoutDefault<V>(rule: Rule<V>): Rule<V> {
  const { default: _, ...rest } = rule;
  return rest;
}

const TIMES: ReadonlySet<string> = new Set(["scheduleddeletion", "expiry"]);

/** Between the clocks of a Worker and a ledger, and from the decision about a creation to its reservation; a repeat may wait 7 seconds. */
const SKEW_SECONDS = 60;

/** Whether Stream has what the policy decided, perhaps at the creation. */
function isAsCreated(key: string, text: string | undefined, current: string | undefined): boolean {
  if (text === current || text === undefined || current === undefined || !TIMES.has(key)) return text === current;
  return Math.abs((parseTimestamp(text) ?? 0) - (parseTimestamp(current) ?? 0)) <= SKEW_SECONDS;
}

/**
 * Refuses a time that has passed: Stream could delete the video at once. The bounds of a policy count from the creation, so what it
 * forces, clamps to or has as a default may have passed.
 */
function refusePast(decision: KeyDecision, now: number): KeyDecision {
  const { explanation, text, refusal } = decision;
  const { key, outcome, requested, rule } = explanation;
  if (refusal || text === undefined || !TIMES.has(key) || (parseTimestamp(text) ?? 0) > now) return decision;
  return {
    explanation: { key, outcome: "refused", requested, rule },
    refusal:
      outcome === "accepted"
        ? problem("metadata_value_invalid", `${key} must be in the future (requested: "${text}").`, { key })
        : problem(
            "policy_violation",
            `${key} would be ${text}: the policy counts from the creation of the video, and that has passed.`,
            { key, facts: { rule } },
          ),
  };
}
