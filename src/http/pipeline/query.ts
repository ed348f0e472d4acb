import * as v from "valibot";
import { SUBJECT_EXPECTED, isSubject } from "../../core/auth/rules/subject.ts";
import { problem } from "../../core/shared/problem.ts";
import { type Result, err, ok } from "../../core/shared/result.ts";
import { quoteRequested, truncate } from "../../core/shared/text.ts";
import { parseMonth, parseTimestamp } from "../../core/shared/time.ts";

/** `v.object` of query parameters, possibly in a pipe. Messages complete the sentence "limit …". */
export type QuerySchema = v.GenericSchema & { readonly entries: object };

/**
 * Reads the query. Unknown and repeated parameters are refused: a filter that was silently ignored would show more than was
 * requested.
 */
export function readQuery<S extends QuerySchema>(url: string, schema: S): Result<v.InferOutput<S>> {
  const supported = Object.keys(schema.entries);
  const query = new Map<string, string>();
  for (const [name, value] of new URL(url).searchParams) {
    const key = truncate(name);
    if (!supported.includes(name))
      return err(
        problem("bad_request", `Unknown query parameter "${key}". Supported: ${supported.join(", ") || "none"}.`, {
          key,
        }),
      );
    if (query.has(name))
      return err(problem("bad_request", `Query parameter "${key}" is given more than once.`, { key }));
    query.set(name, value);
  }

  const parsed = v.safeParse(schema, Object.fromEntries(query));
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  const key = String(issue.path?.[0].key);
  return err(problem("bad_request", `${key} ${issue.message}${quoteRequested(query.get(key))}.`, { key }));
}

export const noParameters = v.object({});

/** The maximum number of items to return. */
export const limit = ({ fallback, max }: { readonly fallback: number; readonly max: number }) =>
  v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0)),
      v.check((limit) => limit >= 1 && limit <= max, `must be 1 to ${max}`),
    ),
    String(fallback),
  );

/** Where the previous page ended. */
export const cursor = (pattern: RegExp) =>
  v.pipe(v.string(), v.regex(pattern, "must be the cursor of the previous page"));

const trueOrFalse = v.pipe(
  v.picklist(["true", "false"], "must be true or false"),
  v.transform((text) => text === "true"),
);

export const flag = v.optional(trueOrFalse, "false");
/** A flag that is on unless it is turned off. */
export const flagOn = v.optional(trueOrFalse, "true");

export const oneOf = <const T extends string>(names: readonly T[]) =>
  v.picklist(names, `must be one of ${names.join(", ")}`);

/** The subject of uploads, or what Stream is told of it. */
export const creator = v.pipe(v.string(), v.check(isSubject, SUBJECT_EXPECTED));

/** A month, as its start in seconds since the epoch. */
export const month = v.pipe(
  v.string(),
  v.transform((text) => parseMonth(text) ?? Number.NaN),
  v.number("must be a month such as 2026-11"),
);

/**
 * A time, as whole seconds since the epoch.
 *
 * @param rounding `up` for bounds like "at or after" and "before", `down` for "after"
 */
export const time = (rounding: "up" | "down") =>
  v.pipe(
    v.string(),
    v.transform((text) => {
      const seconds = parseTimestamp(text) ?? Number.NaN;
      return rounding === "up" && /\.\d*[1-9]/.test(text) ? seconds + 1 : seconds;
    }),
    v.number("must be an RFC 3339 date-time, e.g. 2026-11-22T12:00:00Z"),
  );
