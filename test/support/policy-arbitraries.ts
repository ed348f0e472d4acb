import fc from "fast-check";
import type { Ok } from "../../src/core/shared/result.ts";
import { FEATURES } from "../../src/core/policy/rules/features.ts";
import { readPolicy } from "../../src/core/policy/rules/parse-policy.ts";
import type { PolicyDocument } from "../../src/core/policy/rules/policy.ts";
import type { PolicyRequest } from "../../src/core/policy/rules/policy-decision.ts";
import type { MetadataValue } from "../../src/core/uploads/rules/metadata-value.ts";
import { NOON, STREAM_BOUNDS, documentOf } from "./policy-fixtures.ts";

/**
 * Arbitrary policy documents and creations. Both draw from the same few hosts, names, numbers and durations, so that rules
 * and requested values meet often; some values are invalid.
 */

/** A record with a few of these keys: with all of them, nearly every creation would be refused for one. */
function few<T>(values: Record<string, fc.Arbitrary<T>>, most: number): fc.Arbitrary<Record<string, T>> {
  return fc
    .shuffledSubarray(Object.keys(values), { maxLength: most })
    .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, values[key] as fc.Arbitrary<T>]))));
}

const onViolation = fc.constantFrom("reject", "clamp", "drop");
export const HOSTS = ["acme.com", "*.acme.com", "app.acme.com", "*.app.acme.com", "evil.example", "localhost:3000"];
export const TEXTS = ["a", "b", "Cats", "my Cats", "🎬🎬🎬", "p12", "Cafe\u0301", "a👨‍👩‍👧"];
/** Texts with something that is removed; nothing is left of the last. */
const DIRTY_TEXTS = ["Ca\0ts", "\u202ep12", "a\tb\r\n", "e\u0085\u0301", "\u0007"];
/** The text in it is that of no other value. */
const UNDECODABLE: MetadataValue = { undecodable: "%undecodable%" };
export const DURATIONS = ["PT1M", "PT2M", "PT30M", "PT1H", "PT6H", "P1D", "P30D", "P60D", "P1Y", "P1096D", "P4Y"];

function rule(verbs: Record<string, fc.Arbitrary<unknown>>, setting: fc.Arbitrary<unknown>) {
  const mode = fc.oneof(
    fc.record({ force: setting }),
    fc.record({ default: setting, deny: fc.boolean() }, { requiredKeys: [] }),
    fc.record({ required: fc.constant(true) }),
  );
  const bounds = fc.record({ ...verbs, onViolation }, { requiredKeys: [] });
  return fc.tuple(mode, bounds).map(([mode, bounds]) => ({ ...mode, ...bounds }));
}

const texts = rule(
  {
    maxLength: fc.integer({ min: 1, max: 8 }),
    pattern: fc.constantFrom("[a-z]*", "p[0-9]+", ".{1,3}"),
    oneOf: fc.subarray(TEXTS, { minLength: 1 }),
  },
  fc.constantFrom(...TEXTS),
);
export const SECONDS = [1, 30, 60, 600, 3_600, 36_000];
export const FRACTIONS = [0, 0.25, 0.5, 1, 0.000001, 1e-7];
const seconds = fc.constantFrom(...SECONDS);
const fraction = fc.constantFrom(...FRACTIONS);
const duration = fc.constantFrom(...DURATIONS);
const hosts = fc.subarray(HOSTS, { minLength: 1 });

/** Arbitrary rules by metadata key, as JSON. */
export const rules: Record<string, fc.Arbitrary<unknown>> = {
  name: texts,
  maxdurationseconds: rule(
    { min: seconds, max: seconds, oneOf: fc.array(seconds, { minLength: 1, maxLength: 3 }) },
    seconds,
  ),
  requiresignedurls: rule({}, fc.boolean()),
  allowedorigins: rule({ within: hosts }, hosts),
  thumbnailtimestamppct: rule({ min: fraction, max: fraction }, fraction),
  watermark: rule({ oneOf: fc.constant(["w1", "w2"]) }, fc.constantFrom("w1", "w2")),
  scheduleddeletion: rule({ min: duration, max: duration }, duration),
  expiry: rule({ min: duration, max: duration }, fc.oneof(duration, fc.constant("auto"))),
  projectId: texts,
  "*": fc.record(
    {
      allow: fc.subarray(["color", "Plan", "filename"]),
      maxLength: fc.integer({ min: 1, max: 5 }),
      onViolation: fc.constantFrom("drop", "reject"),
    },
    { requiredKeys: [] },
  ),
};

const action = fc.constantFrom("allow", "block");

/** The member `playback`, as JSON. */
export const playbackJson: fc.Arbitrary<object> = fc.record(
  {
    maxSeconds: fc.constantFrom(1, 60, 3_600, 86_400),
    accessRules: fc.array(
      fc.oneof(
        fc.record({
          type: fc.constant("ip.geoip.country"),
          action,
          country: fc.subarray(["DE", "FR", "US"], { minLength: 1 }),
        }),
        fc.record({
          type: fc.constant("ip.src"),
          action,
          ip: fc.subarray(["192.0.2.0/24", "2001:db8::1"], { minLength: 1 }),
        }),
      ),
      { maxLength: 3 },
    ),
    downloadable: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** Documents as JSON. Many contradict themselves, and `parsePolicy` refuses them. */
export const policyJson: fc.Arbitrary<Record<string, unknown>> = fc
  .record(
    {
      upload: fc.oneof(
        { weight: 4, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.record({ minBytes: fc.nat(2_000), maxBytes: fc.nat(100_000) }) },
        {
          weight: 1,
          arbitrary: fc.record({
            fileTypes: fc.constantFrom(["video/*"], ["video/mp4", "audio/*"], ["video/*", ".mkv"]),
          }),
        },
      ),
      rules: few(rules, 4),
      creator: fc.record(
        { from: fc.constantFrom("caller", "client", "tenant", "none"), prefix: fc.constantFrom("a/", "b".repeat(20)) },
        { requiredKeys: [] },
      ),
      origins: fc.subarray(["https://app.acme.com", "https://*.acme.com"]),
      features: fc.subarray([...FEATURES]),
      playback: playbackJson,
    },
    { requiredKeys: [] },
  )
  .map(({ rules, ...document }) => ({ ...document, ...(rules && documentOf(rules)) }));

/** Documents as JSON and compiled: also those that are only read, not written, such as an `expiry.max` of a day. */
export const documents = (source: PolicyDocument["source"]) =>
  policyJson
    .map((json) => ({ json, read: readPolicy(json, source) }))
    .filter(({ read }) => read.ok)
    .map(({ json, read }) => ({ json, document: (read as Ok<PolicyDocument>).value }));

const timestamp = fc
  .oneof(fc.integer({ min: -100, max: 30_000 }), fc.integer({ min: 2_000_000, max: 100_000_000 }))
  .map((ahead) => new Date((NOON + ahead) * 1000).toISOString());

function requestedText(...values: fc.Arbitrary<string>[]): fc.Arbitrary<MetadataValue> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.oneof(...values, fc.constant("")) },
    { weight: 1, arbitrary: fc.constant(UNDECODABLE) },
    { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
  );
}

const metadata = few<MetadataValue>(
  {
    name: requestedText(fc.constantFrom(...TEXTS, ...DIRTY_TEXTS)),
    filename: requestedText(fc.constantFrom(...TEXTS, ...DIRTY_TEXTS, "a.mkv")),
    maxdurationseconds: requestedText(fc.oneof(seconds, fc.integer({ min: -5, max: 40_000 })).map(String)),
    requiresignedurls: fc.constantFrom("", "true", "false"),
    allowedorigins: requestedText(
      hosts.map((list) => list.join(", ")),
      fc.constantFrom(",", " ", "localhost"),
    ),
    thumbnailtimestamppct: requestedText(
      fc.oneof(fraction, fc.double({ min: -0.5, max: 1.5, noNaN: true })).map(String),
    ),
    watermark: requestedText(fc.constantFrom("w1", "w2", "w".repeat(40))),
    scheduleddeletion: requestedText(timestamp),
    expiry: requestedText(timestamp),
    projectid: requestedText(fc.constantFrom(...TEXTS, ...DIRTY_TEXTS)),
    color: requestedText(),
    plan: requestedText(),
    sluice: fc.constant("other-tenant/1"),
    grant: fc.constant("token"),
    ["__proto__"]: fc.constant("x"),
  },
  5,
);

/** Creations as parsed from headers. */
export const policyRequest: fc.Arbitrary<PolicyRequest> = fc
  .record(
    {
      metadata,
      length: fc.oneof(fc.nat(3_000), fc.nat(200_000), fc.constant(30_000_000_000)),
      filetype: fc.constantFrom("video/mp4", "audio/mpeg", "text/html"),
      caller: fc.constantFrom(
        { tenant: "acme", kind: "api-key" as const },
        { tenant: "acme", kind: "jwt" as const, person: { namespace: "auth0", subject: "user-1" } },
        { tenant: "acme", kind: "grant" as const },
      ),
      creator: fc.oneof(
        { weight: 8, arbitrary: fc.constant("user-2") },
        { weight: 1, arbitrary: fc.oneof(fc.constant("x".repeat(65)), fc.string({ unit: "binary", maxLength: 5 })) },
      ),
      origin: fc.constantFrom("https://app.acme.com", "https://x.acme.com", "https://evil.example", "null"),
    },
    { requiredKeys: ["metadata", "length", "caller"] },
  )
  .map(({ metadata, filetype, ...request }) => ({
    ...request,
    now: NOON,
    bounds: STREAM_BOUNDS,
    metadata: new Map(Object.entries({ ...metadata, ...(filetype && { filetype }) })),
  }));
