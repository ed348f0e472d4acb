import { hostMatches } from "./hosts.ts";
import type { Pattern } from "./pattern.ts";
import type { Constraint } from "./rule.ts";

/** The verbs that bound a value, each as a check and, where there is one, the way to the nearest permitted value. */

export function min(least: number): Constraint<number> {
  return {
    verb: "min",
    message: `must be at least ${least}`,
    allows: (value) => value >= least,
    clamp: (value) => Math.max(value, least),
  };
}

export function max(most: number): Constraint<number> {
  return {
    verb: "max",
    message: `must be at most ${most}`,
    allows: (value) => value <= most,
    clamp: (value) => Math.min(value, most),
  };
}

/** `min` of a time: seconds from the creation on. */
export function notBefore(secondsAhead: number, spelled: string): Constraint<number> {
  return {
    verb: "min",
    message: `must be at least ${spelled} ahead`,
    allows: (value, { now }) => value >= now + secondsAhead,
    clamp: (value, { now }) => Math.max(value, now + secondsAhead),
  };
}

/** `max` of a time: seconds from the creation on. */
export function notAfter(secondsAhead: number, spelled: string): Constraint<number> {
  return {
    verb: "max",
    message: `must be at most ${spelled} ahead`,
    allows: (value, { now }) => value <= now + secondsAhead,
    clamp: (value, { now }) => Math.min(value, now + secondsAhead),
  };
}

/** Counted in Unicode code points, so that clamping never cuts a character in two. */
export function maxLength(most: number): Constraint<string> {
  return {
    verb: "maxLength",
    message: `must be at most ${most} characters long`,
    allows: (value) => value.length <= most || [...value].length <= most,
    clamp: (value) => [...value].slice(0, most).join(""),
  };
}

export function pattern(matches: Pattern): Constraint<string> {
  return { verb: "pattern", message: "must have the form that the policy asks for", allows: (value) => matches(value) };
}

export function oneOf<V extends string | number>(choices: readonly V[]): Constraint<V> {
  return { verb: "oneOf", message: "must be one of the permitted values", allows: (value) => choices.includes(value) };
}

export function within(patterns: readonly string[]): Constraint<readonly string[]> {
  const permitted = (host: string) => patterns.some((pattern) => hostMatches(pattern, host));
  return {
    verb: "within",
    message: `must lie within ${patterns.join(", ")}`,
    allows: (hosts) => hosts.every(permitted),
    clamp: (hosts) => {
      const rest = hosts.filter(permitted);
      // An empty list would mean "anywhere" to Stream.
      return rest.length > 0 ? rest : undefined;
    },
  };
}
