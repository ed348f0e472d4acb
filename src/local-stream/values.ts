/**
 * The rules for single values of a creation or an edit, from tus metadata or JSON. Each states its source: [C] Cloudflare's
 * documentation, API schema or SDK, [S] secondary sources, [U] an assumption.
 */

/** A broken rule: becomes a 400 with the text in `messages`. */
export class RuleBroken extends Error {}

export function demand(kept: boolean, rule: string): asserts kept {
  if (!kept) throw new RuleBroken(rule);
}

export function readObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  demand(typeof value === "object" && value !== null && !Array.isArray(value), `${name} must be an object`);
  return value as Record<string, unknown>;
}

/** An object that has these fields at most. That others are refused is [U]. */
export function readFields(value: unknown, name: string, fields: readonly string[]): Readonly<Record<string, unknown>> {
  const object = readObject(value, name);
  for (const field of Object.keys(object)) demand(fields.includes(field), `${name} has no ${field}`);
  return object;
}

/** [C] in gigabytes; [U] that they are decimal. */
export const MAX_UPLOAD_BYTES = 30_000_000_000;
/** [C] */
const MAX_CREATOR_CHARACTERS = 64;
/** [C] */
const MAX_DURATION_SECONDS = 36_000;
/** [C] */
const MAX_WATERMARK_CHARACTERS = 32;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** [C] */
export const DEFAULT_EXPIRY_MS = 30 * MINUTE_MS;
/** [S] */
const MIN_EXPIRY_MS = 2 * MINUTE_MS;
/** [S] */
const MAX_EXPIRY_MS = 360 * MINUTE_MS;
/** [C] */
const MIN_DELETION_DAYS = 30;
/** [C] */
const MAX_DELETION_DAYS = 1_096;
/** Tolerance for the duration of the request: an expiry of exactly two minutes may arrive late. [U] */
const CLOCK_SLACK_MS = 5_000;

/** Bytes. tus 1.0.0: a non-negative integer. */
export function readLength(text: string): number {
  demand(/^(?:0|[1-9]\d*)$/.test(text), "Upload-Length must be a non-negative integer"); // [C]
  const length = Number(text);
  demand(length <= MAX_UPLOAD_BYTES, "Upload-Length is over the maximum file size"); // [C], the status [U]
  return length;
}

/** An empty creator counts as none. [U] */
export function readCreator(value: unknown, name: string): string | null {
  if (value === undefined || value === null || value === "") return null;
  demand(typeof value === "string", `${name} must be text`);
  demand(value.length <= MAX_CREATOR_CHARACTERS, `${name} must be at most ${MAX_CREATOR_CHARACTERS} characters`); // [C]
  return value;
}

/** Seconds. [C] */
export function readDuration(value: number): number {
  demand(
    Number.isInteger(value) && value >= 1 && value <= MAX_DURATION_SECONDS,
    `maxDurationSeconds must be an integer between 1 and ${MAX_DURATION_SECONDS}`,
  );
  return value;
}

/** Milliseconds since the epoch. Documented [C], the bounds [S]. */
export function readExpiry(value: unknown, now: number, name = "expiry"): number {
  const expiry = readTime(name, value);
  demand(
    expiry >= now + MIN_EXPIRY_MS - CLOCK_SLACK_MS && expiry <= now + MAX_EXPIRY_MS + CLOCK_SLACK_MS,
    `${name} must be between 2 minutes and 6 hours ahead`,
  );
  return expiry;
}

/** Milliseconds since the epoch. [C] @param created when the video was created: "at least 30 days from upload time" */
export function readDeletion(value: unknown, now: number, created = now): number {
  const deletion = readTime("scheduledDeletion", value);
  demand(
    deletion >= created + MIN_DELETION_DAYS * DAY_MS - CLOCK_SLACK_MS &&
      deletion <= created + MAX_DELETION_DAYS * DAY_MS + CLOCK_SLACK_MS,
    `scheduledDeletion must be ${MIN_DELETION_DAYS} to ${MAX_DELETION_DAYS} days after the creation`,
  );
  demand(deletion > now, "scheduledDeletion must be ahead"); // [U]
  return deletion;
}

/** A label of a host name: RFC 1123 section 2.1. */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const HOST = new RegExp(String.raw`^(?:\*\.)?${LABEL}(?:\.${LABEL})*(?::([1-9]\d{0,4}))?$`, "i");
const MAX_PORT = 65_535;

/** Hosts that may embed the video; an empty list means all. */
export function readOrigins(origins: readonly unknown[]): readonly string[] {
  return origins.map((origin) => {
    demand(typeof origin === "string", "allowed origins must be text");
    demand(!origin.includes("://"), "allowed origin must not specify protocol"); // [C]
    const host = HOST.exec(origin);
    demand(host !== null && Number(host[1] ?? 1) <= MAX_PORT, `allowed origin "${origin}" is not a host`); // [U] how strict
    demand(!/^localhost$/i.test(origin), "allowed origin localhost must specify a port"); // [C]
    return origin;
  });
}

/** [C] */
export function readPercentage(value: number): number {
  demand(value >= 0 && value <= 1, "thumbnailTimestampPct must be between 0 and 1");
  return value;
}

/** [C] */
export function readWatermark(uid: unknown, profiles: readonly string[]): string {
  demand(typeof uid === "string", "watermark must name a profile");
  demand(uid.length <= MAX_WATERMARK_CHARACTERS, `watermark must be at most ${MAX_WATERMARK_CHARACTERS} characters`);
  demand(profiles.includes(uid), "watermark profile does not exist");
  return uid;
}

const RFC_3339 =
  /^(?<date>\d{4}-\d\d-\d\d)[Tt](?<time>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?<fraction>\.\d+)?(?<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339 section 5.6, a real calendar day only. @returns milliseconds since the epoch [C] */
export function readTime(name: string, value: unknown): number {
  const { date, time, fraction = "", zone } = (typeof value === "string" && RFC_3339.exec(value)?.groups) || {};
  const midnight = Date.parse(`${date}T00:00:00Z`);
  const exists = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date ?? " ");
  demand(exists, `${name} must be an RFC 3339 date and time`);
  return Date.parse(`${date}T${time}${fraction}${zone?.toUpperCase()}`);
}
