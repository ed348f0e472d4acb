import * as v from "valibot";
import { max, maxLength, min, notAfter, notBefore, oneOf, pattern, within } from "./constraints.ts";
import { parseDuration } from "./duration.ts";
import { formatTimestamp, parseTimestamp } from "../../shared/time.ts";
import { isHost, parseHosts } from "./hosts.ts";
import { compilePattern } from "./pattern.ts";
import type { Constraint, Context, KeyType } from "./rule.ts";

/**
 * The metadata keys that Stream gives a meaning: how each is read, written and bounded, and what a policy may say of it.
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/resumable-uploads/#supported-options-in-upload-metadata
 */
export interface MetadataKey<V> {
  readonly type: KeyType<V>;
  /** The shape of `force` and `default`. */
  readonly setting: v.GenericSchema<unknown, Setting>;
  /** The shapes of the verbs that bound it. */
  readonly verbs: Readonly<Record<string, v.GenericSchema>>;
  /** A `force` or `default`, read once; as the value that it is in a creation. */
  resolve(setting: Setting): (context: Context) => V;
  /** The bounds that a rule's verbs make. */
  bounds(verbs: Verbs): readonly Constraint<V>[];
}

export type Setting = string | number | boolean | readonly string[];

export interface Verbs {
  readonly min?: number | string;
  readonly max?: number | string;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly oneOf?: readonly (string | number)[];
  readonly within?: readonly string[];
}

/** Of an `oneOf` or `within`; more belong behind an API of the tenant's, not into a document. */
const MAX_CHOICES = 200;

/** Of a text that a policy sets; the whole header is bounded too. */
const MAX_SETTING_CHARACTERS = 1_000;

const choices = <T>(item: v.GenericSchema<T>) => v.pipe(v.array(item), v.minLength(1), v.maxLength(MAX_CHOICES));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_SETTING_CHARACTERS));
const duration = v.pipe(
  v.string(),
  v.check((spelled) => parseDuration(spelled) !== undefined, "must be an ISO 8601 duration such as PT30M or P90D"),
);
const host = v.pipe(
  v.string(),
  v.check(isHost, "must be a host in lower case, without a scheme; localhost with its port"),
);

/** Of a value that is the same in every creation. */
const constant =
  <V>(value: V) =>
  () =>
    value;

const ifSet = <A, T>(verb: A | undefined, make: (verb: A) => T): T[] => (verb === undefined ? [] : [make(verb)]);

function textKey(bounds: readonly Constraint<string>[] = []): MetadataKey<string> {
  return {
    type: { parse: (asked) => asked, format: (value) => value, expects: "text", bounds },
    setting: text,
    verbs: {
      maxLength: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      pattern: v.pipe(
        v.string(),
        v.check(
          (source) => compilePattern(source) !== undefined,
          "must be a regular expression without repeated groups, and with few choices",
        ),
      ),
      oneOf: choices(text),
    },
    resolve: (setting) => constant(String(setting)),
    bounds: (verbs) => [
      ...ifSet(verbs.maxLength, maxLength),
      ...ifSet(verbs.pattern, (source) => pattern(compilePattern(source) ?? (() => false))),
      ...ifSet(verbs.oneOf, (values) => oneOf(values.map(String))),
    ],
  };
}

function numberKey(options: {
  readonly parse: (asked: string) => number | undefined;
  readonly expects: string;
  /** How many digits behind the point are written. */
  readonly digits: number;
  readonly least: number;
  readonly most: number;
  readonly fallback?: number;
}): MetadataKey<number> {
  const { least, most, digits, fallback } = options;
  const inBounds = v.pipe(v.number(), v.minValue(least), v.maxValue(most));
  // Written out, never as 1e-7.
  const number = v.pipe(
    inBounds,
    v.check((value) => value === Number(value.toFixed(digits)), `must have at most ${digits} digits behind the point`),
  );
  return {
    type: {
      parse: options.parse,
      format: String,
      expects: options.expects,
      bounds: [min(least), max(most)],
      ...(fallback !== undefined && { default: () => fallback }),
    },
    setting: number,
    verbs: { min: number, max: number, oneOf: choices(number) },
    resolve: (setting) => constant(Number(setting)),
    bounds: (verbs) => [
      ...ifSet(verbs.min, (least) => min(Number(least))),
      ...ifSet(verbs.max, (most) => max(Number(most))),
      ...ifSet(verbs.oneOf, (values) => oneOf(values.map(Number))),
    ],
  };
}

/**
 * A creation is at Stream a moment after it was decided, by another clock. So Stream's least time, where a policy says it, is so
 * much more: it would be too little there.
 */
const TRANSIT_SECONDS = 60;

function timeKey(options: {
  readonly least: string;
  readonly most: string;
  readonly absence?: number;
  readonly auto?: (context: Context) => number;
}): MetadataKey<number> {
  const seconds = (spelled: number | string) => parseDuration(String(spelled)) ?? 0;
  const { least, most, absence, auto } = options;
  const ahead = (spelled: number | string) => {
    const given = seconds(spelled);
    return given < seconds(least) ? given : Math.max(given, seconds(least) + TRANSIT_SECONDS);
  };
  return {
    type: {
      parse: parseTimestamp,
      format: formatTimestamp,
      expects: "a time as RFC 3339 writes it",
      bounds: [notBefore(seconds(least), least), notAfter(seconds(most), most)],
      ...(absence !== undefined && { absence }),
      ...(auto && { default: auto }),
    },
    setting: auto ? v.union([v.literal(AUTO), duration]) : duration,
    verbs: { min: duration, max: duration },
    resolve: (setting) => {
      if (auto && setting === AUTO) return auto;
      const secondsAhead = ahead(String(setting));
      return ({ now }) => now + secondsAhead;
    },
    bounds: (verbs) => [
      ...ifSet(verbs.min, (spelled) => notBefore(ahead(spelled), String(spelled))),
      ...ifSet(verbs.max, (spelled) => notAfter(ahead(spelled), String(spelled))),
    ],
  };
}

/** Stream takes the key's presence for true, whatever its value; so does this, and false is its absence. */
const flagKey: MetadataKey<boolean> = {
  type: { parse: () => true, format: (on) => (on ? "" : undefined), expects: "a bare key", bounds: [] },
  setting: v.boolean(),
  verbs: {},
  resolve: (setting) => constant(Boolean(setting)),
  bounds: () => [],
};

/** What a missing or empty `allowedorigins` means to Stream: not a host, so that no `within` covers it. */
const ANYWHERE: readonly string[] = ["*"];

const hostsKey: MetadataKey<readonly string[]> = {
  type: {
    parse: parseHosts,
    format: (hosts) => hosts.join(","),
    expects: "hosts without a scheme, joined by commas",
    bounds: [],
    absence: ANYWHERE,
  },
  setting: choices(host),
  verbs: { within: choices(host) },
  resolve: (setting) => constant(Array.isArray(setting) ? setting.map(String) : []),
  bounds: (verbs) => ifSet(verbs.within, within),
};

const AUTO = "auto";

/** Stream's own default for an upload URL. */
const AUTO_EXPIRY_MIN_SECONDS = 30 * 60;
/** A slow uplink that an upload should still survive, in bits per second. */
const AUTO_EXPIRY_UPLINK_BITS = 2_000_000;

function autoExpiry({ now, length }: Context): number {
  return now + Math.max(AUTO_EXPIRY_MIN_SECONDS, Math.ceil((length * 8) / AUTO_EXPIRY_UPLINK_BITS));
}

/** What Stream reserves where the key is missing (assumed: secondary source); written out, so that nobody has to know. */
export const STREAM_DEFAULT_MAX_DURATION_SECONDS = 14_400;
const STREAM_MAX_WATERMARK_CHARACTERS = 32;

/** Stream takes a float; six digits are a frame in the longest video. */
const PERCENTAGE_DIGITS = 6;

// Heterogeneous by nature; `decideKey` and `compileRule` are generic, so no value is ever read as another key's.
// oxlint-disable-next-line typescript/no-explicit-any -- see above
type AnyMetadataKey = MetadataKey<any>;

/** In the order in which they go upstream. */
export const METADATA_KEYS: ReadonlyMap<string, AnyMetadataKey> = new Map<string, AnyMetadataKey>([
  ["name", textKey()],
  [
    "maxdurationseconds",
    numberKey({
      parse: (asked) => (/^(?:0|[1-9]\d{0,8})$/.test(asked) ? Number(asked) : undefined),
      expects: "a whole number of seconds",
      digits: 0,
      least: 1,
      most: 36_000,
      fallback: STREAM_DEFAULT_MAX_DURATION_SECONDS,
    }),
  ],
  ["requiresignedurls", flagKey],
  ["allowedorigins", hostsKey],
  [
    "thumbnailtimestamppct",
    numberKey({
      parse: (asked) =>
        /^(?:\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})$/.test(asked)
          ? Number(Number(asked).toFixed(PERCENTAGE_DIGITS))
          : undefined,
      expects: "a number between 0 and 1",
      digits: PERCENTAGE_DIGITS,
      least: 0,
      most: 1,
    }),
  ],
  ["watermark", textKey([maxLength(STREAM_MAX_WATERMARK_CHARACTERS)])],
  // A video without it is kept for ever.
  ["scheduleddeletion", timeKey({ least: "P30D", most: "P1096D", absence: Number.POSITIVE_INFINITY })],
  // Assumed: the documentation gives no bounds; these are from a secondary source.
  ["expiry", timeKey({ least: "PT2M", most: "PT6H", auto: autoExpiry })],
]);

/** Any other key that a document names: text, kept in the video's `meta`. */
export const CUSTOM_KEY: MetadataKey<string> = textKey();
