import * as v from "valibot";
import { maxLength, oneOf, pattern } from "./constraints.ts";
import { type MetadataKey, choices, constant, ifSet } from "./metadata-key.ts";
import { normalizeCustomText, normalizeName } from "./normalize-text.ts";
import { compilePattern } from "./pattern.ts";
import type { Constraint } from "./rule.ts";

/** Characters of a text that a policy sets. The whole header is bounded too. */
const MAX_SETTING_CHARACTERS = 1_000;

const STREAM_MAX_WATERMARK_CHARACTERS = 32;

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_SETTING_CHARACTERS));

export const patternSchema = v.pipe(
  v.string(),
  v.check(
    (source) => compilePattern(source) !== undefined,
    "must be a regular expression without repeated groups, and with few choices",
  ),
);

export const nameKey = textKey(normalizeName);

/** An identifier: as it was sent. */
export const watermarkKey = textKey((text) => text, [maxLength(STREAM_MAX_WATERMARK_CHARACTERS)]);

/** Any key that Stream gives no meaning: text, stored in the video's `meta`. */
export const CUSTOM_KEY = textKey(normalizeCustomText);

/** @param normalize applied to the texts of clients and policies alike, so that they are compared in one form */
function textKey(
  normalize: (text: string) => string,
  streamConstraints: readonly Constraint<string>[] = [],
): MetadataKey<string> {
  return {
    type: {
      parse: normalize,
      format: (value) => value,
      expects: "text",
      constraints: streamConstraints,
    },
    setting: text,
    verbs: {
      maxLength: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      pattern: patternSchema,
      oneOf: choices(text),
    },
    resolve: (setting) => constant(normalize(String(setting))),
    constraints: (verbs) => [
      ...ifSet(verbs.maxLength, maxLength),
      ...ifSet(verbs.pattern, pattern),
      ...ifSet(verbs.oneOf, (values) => oneOf(values.map((value) => normalize(String(value))))),
    ],
  };
}
