import * as v from "valibot";
import { isFetchableUrl } from "./fetched-url.ts";
import { isJsonObject } from "./json.ts";
import { TENANT_ID } from "./tenant.ts";

/** Schemas of fields that several documents share. */

export const MUST_BE_SLUG = "must match [a-z0-9][a-z0-9-]{0,31}";

/** Id of a tenant, and of a plan, issuer, upstream or endpoint, which follow the same pattern. */
export const slug = v.pipe(v.string(), v.regex(TENANT_ID, MUST_BE_SLUG));

/** Text without control characters and lone surrogates: no database stores the latter unchanged. */
export const printable = (maxCharacters: number) =>
  v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${maxCharacters}}$`, "u"),
      `must be 1 to ${maxCharacters} printable characters`,
    ),
  );

/** Text for people. */
export const displayName = printable(200);

export const integer = (min: number, max: number) =>
  v.pipe(
    v.number(),
    v.safeInteger(({ input }) => `must be a whole number (found: ${input})`),
    v.minValue(min, ({ input }) => `must be at least ${min} (found: ${input})`),
    v.maxValue(max, ({ input }) => `must be at most ${max} (found: ${input})`),
  );

/** One or more of these, at most `max`. */
export const listOf = <const S extends v.GenericSchema>(item: S, max: number, mustBeList?: string) =>
  v.pipe(v.array(item, mustBeList), v.minLength(1), v.maxLength(max));

/** Any of these names, each at most once. */
export const subset = <const T extends string>(names: readonly T[]) =>
  v.pipe(
    v.array(v.picklist(names)),
    v.check((chosen) => new Set(chosen).size === chosen.length, "must not contain duplicates"),
  );

/** One or more of these names, each at most once. */
export const uniqueSubset = <const T extends string>(names: readonly T[]) => v.pipe(subset(names), v.minLength(1));

/**
 * A JSON object with keys of the client's own, at least one and at most `max`. Valibot's `record` drops `constructor` and
 * `__proto__` silently. Schemas of keys and values only check: what they return is ignored.
 */
export const mapOf = <Value>(key: v.GenericSchema<string>, value: v.GenericSchema<Value>, max: number) =>
  v.pipe(
    v.custom<Readonly<Record<string, Value>>>(isJsonObject, "must be an object"),
    v.rawCheck(({ dataset: { typed, value: input }, addIssue }) => {
      if (!typed) return;
      const entries = Object.entries(input);
      if (entries.length < 1 || entries.length > max) addIssue({ message: `must have 1 to ${max} entries` });
      for (const [name, item] of entries) {
        const [issue] = v.safeParse(key, name).issues ?? v.safeParse(value, item).issues ?? [];
        if (issue) addIssue({ message: issue.message, path: pathTo(input, name) });
      }
    }),
  );

/** The place of an issue that `rawCheck` adds. */
export const pathTo = (input: object, key: string): [v.ObjectPathItem] => [
  { type: "object", origin: "value", input: input as Record<string, unknown>, key, value: undefined },
];

export const FETCHABLE_URL = "must be an https URL of a public name, without user info";

/** A URL that the gateway fetches. */
export const fetchableUrl = (allowLoopback: boolean, maxCharacters?: number) =>
  v.pipe(
    v.string(),
    v.check((url) => isFetchableUrl(url, allowLoopback, maxCharacters), FETCHABLE_URL),
  );
