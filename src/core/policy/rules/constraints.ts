import { covers } from "./hosts.ts";
import type { Pattern } from "./pattern.ts";
import type { Bound } from "./rule.ts";

/** The verbs that bound a value, each as a check and, where there is one, the way to the nearest permitted value. */

export function min(least: number): Bound<number> {
  return {
    verb: "min",
    demand: `must be at least ${least}`,
    permits: (value) => value >= least,
    nearest: (value) => Math.max(value, least),
  };
}

export function max(most: number): Bound<number> {
  return {
    verb: "max",
    demand: `must be at most ${most}`,
    permits: (value) => value <= most,
    nearest: (value) => Math.min(value, most),
  };
}

/** `min` of a time: seconds from the creation on. */
export function notBefore(secondsAhead: number, spelled: string): Bound<number> {
  return {
    verb: "min",
    demand: `must be at least ${spelled} ahead`,
    permits: (value, { now }) => value >= now + secondsAhead,
    nearest: (value, { now }) => Math.max(value, now + secondsAhead),
  };
}

/** `max` of a time: seconds from the creation on. */
export function notAfter(secondsAhead: number, spelled: string): Bound<number> {
  return {
    verb: "max",
    demand: `must be at most ${spelled} ahead`,
    permits: (value, { now }) => value <= now + secondsAhead,
    nearest: (value, { now }) => Math.min(value, now + secondsAhead),
  };
}

/** Counted in Unicode code points, so that clamping never cuts a character in two. */
export function maxLength(most: number): Bound<string> {
  return {
    verb: "maxLength",
    demand: `must be at most ${most} characters long`,
    permits: (value) => value.length <= most || [...value].length <= most,
    nearest: (value) => [...value].slice(0, most).join(""),
  };
}

export function pattern(matches: Pattern): Bound<string> {
  return { verb: "pattern", demand: "must have the form that the policy asks for", permits: (value) => matches(value) };
}

export function oneOf<V extends string | number>(choices: readonly V[]): Bound<V> {
  return { verb: "oneOf", demand: "must be one of the permitted values", permits: (value) => choices.includes(value) };
}

export function within(patterns: readonly string[]): Bound<readonly string[]> {
  const permitted = (host: string) => patterns.some((pattern) => covers(pattern, host));
  return {
    verb: "within",
    demand: `must lie within ${patterns.join(", ")}`,
    permits: (hosts) => hosts.every(permitted),
    nearest: (hosts) => {
      const rest = hosts.filter(permitted);
      // An empty list would mean "anywhere" to Stream.
      return rest.length > 0 ? rest : undefined;
    },
  };
}
