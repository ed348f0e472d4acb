import { isCreator } from "../../core/policy/rules/creator.ts";
import { parseTimestamp } from "../../core/shared/time.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import { truncate } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";

/** The parameters of a query, each with its one value. */
export type Query<Name extends string> = ReadonlyMap<Name, string>;

/**
 * Reads the parameters that are known here. Any other is refused, and so is one that stands twice: a filter that were
 * silently ignored would show more than was asked for.
 */
export function readQuery<Name extends string>(
  pairs: Iterable<readonly [name: string, value: string]>,
  known: readonly Name[],
): Result<Query<Name>> {
  const query = new Map<Name, string>();
  for (const [given, value] of pairs) {
    const name = known.find((name) => name === given);
    if (name === undefined)
      return err(badParameter(truncate(given), `is not a parameter here: there are ${known.join(", ")}`));
    if (query.has(name)) return err(badParameter(name, "stands twice"));
    query.set(name, value);
  }
  return ok(query);
}

/** @param demand completes the sentence "limit …" */
export function badParameter(name: string, demand: string): Problem {
  return problem("bad_request", `${name} ${demand}.`, { key: name });
}

/** Whose uploads are asked for; undefined: everyone's. */
export function parseCreator(text: string | undefined): Result<string | undefined> {
  if (text === undefined || isCreator(text)) return ok(text);
  return err(badParameter("creator", "must be a creator: 1 to 64 printable ASCII characters"));
}

const COUNT = /^[1-9]\d{0,8}$/;

/** How many may be shown. */
export function parseLimit(
  text: string | undefined,
  { fallback, most }: { readonly fallback: number; readonly most: number },
): Result<number> {
  if (text === undefined) return ok(fallback);
  const limit = COUNT.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= most ? ok(limit) : err(badParameter("limit", `must be 1 to ${most}`));
}

/**
 * A moment, in whole seconds since the epoch.
 *
 * @param rounding `up` for bounds like "at or after" and "before", `down` for "after"
 */
export function parseMoment(
  name: string,
  text: string | undefined,
  rounding: "up" | "down",
): Result<number | undefined> {
  if (text === undefined) return ok(undefined);
  const seconds = parseTimestamp(text);
  if (seconds === undefined)
    return err(badParameter(name, "must be a time as RFC 3339 writes it, e.g. 2026-11-22T12:00:00Z"));
  const fraction = /\.\d*[1-9]/.test(text);
  return ok(fraction && rounding === "up" ? seconds + 1 : seconds);
}
