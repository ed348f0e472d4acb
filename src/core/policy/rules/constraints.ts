import { truncate } from "../../shared/text.ts";
import { matchesWildcard } from "./hosts.ts";
import { compilePattern } from "./pattern.ts";
import type { Constraint, Context } from "./rule.ts";

/** The verbs that constrain a value: each is a check and, where possible, a way to the nearest allowed value. */

export function min(least: number): Constraint<number> {
  return {
    verb: "min",
    message: `must be at least ${least}`,
    allows: (value) => value >= least,
    clamp: (value) => Math.max(value, least),
    candidates: () => [least],
  };
}

export function max(most: number): Constraint<number> {
  return {
    verb: "max",
    message: `must be at most ${most}`,
    allows: (value) => value <= most,
    clamp: (value) => Math.min(value, most),
    candidates: () => [most],
  };
}

/** `max` of a number that depends on the creation, e.g. on what the Stream account takes. */
export function maxOf(most: (context: Context) => number): Constraint<number> {
  return {
    verb: "max",
    message: (context) => `must be at most ${most(context)}`,
    allows: (value, context) => value <= most(context),
    clamp: (value, context) => Math.min(value, most(context)),
    candidates: (context) => [most(context)],
  };
}

/**
 * `min` of a time.
 *
 * @param seconds from the creation on
 * @param duration the same as the document or Stream's documentation writes it
 */
export function notBefore(seconds: number, duration: string): Constraint<number> {
  return {
    verb: "min",
    message: `must be at least ${duration} after the creation`,
    allows: (value, { now }) => value >= now + seconds,
    clamp: (value, { now }) => Math.max(value, now + seconds),
    candidates: ({ now }) => [now + seconds],
  };
}

/** `max` of a time; parameters as for {@link notBefore}. */
export function notAfter(seconds: number, duration: string): Constraint<number> {
  return {
    verb: "max",
    message: `must be at most ${duration} after the creation`,
    allows: (value, { now }) => value <= now + seconds,
    clamp: (value, { now }) => Math.min(value, now + seconds),
    candidates: ({ now }) => [now + seconds],
  };
}

/** Counts Unicode code points. */
export function maxLength(most: number): Constraint<string> {
  return {
    verb: "maxLength",
    message: `must be at most ${most} characters long`,
    allows: (value) => value.length <= most || [...value].length <= most,
    clamp: (value) => {
      const cut = [...value].slice(0, most).join("").length;
      // A letter keeps its accents, and an emoji its parts, unless the first alone is too long.
      // oxlint-disable-next-line no-restricted-globals -- reads no clock
      const { index = 0 } = new Intl.Segmenter().segment(value).containing(cut) ?? {};
      return value.slice(0, index || cut);
    },
  };
}

/** @param source a pattern that `compilePattern` accepts; any other matches nothing */
export function pattern(source: string): Constraint<string> {
  const matches = compilePattern(source) ?? (() => false);
  return { verb: "pattern", message: `must match the pattern ${truncate(source)}`, allows: matches };
}

export function oneOf<V extends string | number>(choices: readonly V[]): Constraint<V> {
  return {
    verb: "oneOf",
    message: `must be one of ${truncate(choices.join(", "))}`,
    allows: (value) => choices.includes(value),
    candidates: () => choices,
  };
}

export function within(patterns: readonly string[]): Constraint<readonly string[]> {
  const isAllowed = (host: string) => patterns.some((pattern) => matchesWildcard(pattern, host));
  return {
    verb: "within",
    message: `must be within ${patterns.join(", ")}`,
    allows: (hosts) => hosts.every(isAllowed),
    clamp: (hosts) => {
      const allowed = hosts.filter(isAllowed);
      // Stream reads an empty list as "anywhere".
      return allowed.length > 0 ? allowed : undefined;
    },
    candidates: () => patterns.map((pattern) => [pattern]),
  };
}

/** The message of a constraint for one creation. */
export function messageOf({ message }: Pick<Constraint<never>, "message">, context: Context): string {
  return typeof message === "string" ? message : message(context);
}
