import * as v from "valibot";
import { ANY_ACCOUNT } from "../../stream/rules/defaults.ts";
import { max, maxOf, min, oneOf } from "./constraints.ts";
import { type MetadataKey, choices, constant, ifSet } from "./metadata-key.ts";
import type { Constraint, Context } from "./rule.ts";

/** Stream accepts a float; six decimal places are one frame of the longest video. */
const PERCENTAGE_DIGITS = 6;

export const maxDurationSecondsKey = numberKey({
  parse: (requested) => (/^(?:0|[1-9]\d{0,8})$/.test(requested) ? Number(requested) : undefined),
  expects: "a whole number of seconds",
  digits: 0,
  least: 1,
  most: ANY_ACCOUNT.maxVideoSeconds,
  accountMaximum: maxOf(({ bounds }) => bounds.maxSeconds),
  default: ({ bounds }) => bounds.defaultSeconds,
  defaultRule: ({ bounds }) => bounds.defaultRule,
});

export const thumbnailTimestampPctKey = numberKey({
  parse: (requested) =>
    /^(?:\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})$/.test(requested)
      ? Number(Number(requested).toFixed(PERCENTAGE_DIGITS))
      : undefined,
  expects: "a number between 0 and 1",
  digits: PERCENTAGE_DIGITS,
  least: 0,
  most: 1,
});

function numberKey(options: {
  readonly parse: (requested: string) => number | undefined;
  readonly expects: string;
  /** Decimal places, at most. */
  readonly digits: number;
  /** Stream's minimum. */
  readonly least: number;
  /** The maximum on any Stream account. */
  readonly most: number;
  readonly accountMaximum?: Constraint<number>;
  /** Sent if no policy has a default. */
  readonly default?: (context: Context) => number;
  readonly defaultRule?: (context: Context) => string;
}): MetadataKey<number> {
  const { least, most, digits, parse, expects, accountMaximum, ...defaults } = options;
  const inBounds = v.pipe(v.number(), v.minValue(least), v.maxValue(most));
  // Written out, never as 1e-7.
  const number = v.pipe(
    inBounds,
    v.check((value) => value === Number(value.toFixed(digits)), `must have at most ${digits} decimal places`),
  );
  return {
    type: {
      parse,
      format: String,
      expects,
      constraints: [min(least), accountMaximum ?? max(most)],
      ...defaults,
    },
    setting: number,
    verbs: { min: number, max: number, oneOf: choices(number) },
    resolve: (setting) => constant(Number(setting)),
    constraints: (verbs) => [
      ...ifSet(verbs.min, (least) => min(Number(least))),
      ...ifSet(verbs.max, (most) => max(Number(most))),
      ...ifSet(verbs.oneOf, (values) => oneOf(values.map(Number))),
    ],
  };
}
