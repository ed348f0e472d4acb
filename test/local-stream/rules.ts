/**
 * What Stream demands of a creation. Each rule says what it rests on: [C] Cloudflare's documentation, API schema or SDK,
 * [S] secondary sources, [U] an assumption. Stricter than Stream is known to be wherever that is unknown: whoever gets past
 * this has kept every rule there is.
 */

/** A creation that keeps all rules. */
export interface Creation {
  readonly length: number | null;
  readonly creator: string | null;
  /** Every metadata key as it was sent, lower case, decoded: what becomes `meta`, besides the options below. */
  readonly meta: Readonly<Record<string, string>>;
  /** Seconds; null where the client named none. */
  readonly maxDurationSeconds: number | null;
  /** Milliseconds since the epoch. */
  readonly uploadExpiry: number;
  readonly requireSignedURLs: boolean;
  readonly allowedOrigins: readonly string[];
  readonly thumbnailTimestampPct: number;
  readonly watermark: string | null;
  /** Milliseconds since the epoch. */
  readonly scheduledDeletion: number | null;
}

/** A broken rule: 400 with the text in `messages`. */
export class RuleBroken extends Error {}

export interface RuleContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Uids of the account's watermark profiles. */
  readonly watermarks: readonly string[];
}

/** [C] in gigabytes; [U] that they are decimal. */
const MAX_UPLOAD_BYTES = 30_000_000_000;
/** [C] */
const MAX_CREATOR_CHARACTERS = 64;
/** [C] */
const MAX_DURATION_SECONDS = 36_000;
/** [C] */
const MAX_WATERMARK_CHARACTERS = 32;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** [C] */
const DEFAULT_EXPIRY_MS = 30 * MINUTE_MS;
/** [S] */
const MIN_EXPIRY_MS = 2 * MINUTE_MS;
/** [S] */
const MAX_EXPIRY_MS = 360 * MINUTE_MS;
/** [C] */
const MIN_DELETION_DAYS = 30;
/** [C] */
const MAX_DELETION_DAYS = 1_096;
/** Requests take a moment; an expiry of exactly two minutes may arrive a little late. [U] */
const CLOCK_SLACK_MS = 5_000;

/** The creation in the headers of a tus `POST`. */
export function readTusCreation(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  context: RuleContext,
): Creation {
  const header = (name: string) => {
    const value = headers[name];
    demand(!Array.isArray(value), `${name} was sent more than once`);
    return value;
  };
  demand(header("tus-resumable") === "1.0.0", "Tus-Resumable must be 1.0.0"); // [C]
  const lengthText = header("upload-length") ?? "";
  demand(/^(?:0|[1-9]\d*)$/.test(lengthText), "Upload-Length must be a non-negative integer"); // [C]
  const length = Number(lengthText);
  demand(length <= MAX_UPLOAD_BYTES, "Upload-Length is over the maximum file size");
  demand(header("upload-defer-length") === undefined, "Upload-Defer-Length is not supported"); // [U]
  const creator = header("upload-creator") ?? null;
  demand((creator?.length ?? 0) <= MAX_CREATOR_CHARACTERS, "Upload-Creator must be at most 64 characters"); // [C]
  return readOptions(parseMetadata(header("upload-metadata")), { length, creator }, context);
}

/** The creation in the JSON of a `direct_upload`, as if it had been sent as metadata. */
export function readDirectUpload(json: unknown, context: RuleContext): Creation {
  demand(typeof json === "object" && json !== null && !Array.isArray(json), "the body must be an object");
  const body = json as Record<string, unknown>;
  demand(Number.isInteger(body["maxDurationSeconds"]), "maxDurationSeconds is required"); // [C]
  const meta = Object.entries((body["meta"] ?? {}) as Record<string, unknown>).map(([key, value]) => [
    key,
    String(value),
  ]);
  const origins = body["allowedOrigins"] as string[] | undefined;
  const watermark = body["watermark"] as { uid?: string } | undefined;
  const pairs = new Map<string, string>([
    ...(meta as [string, string][]),
    ["maxdurationseconds", String(body["maxDurationSeconds"])],
    ...(body["expiry"] === undefined ? [] : ([["expiry", String(body["expiry"])]] as const)),
    ...(body["requireSignedURLs"] === true ? ([["requiresignedurls", ""]] as const) : []),
    ...(origins ? ([["allowedorigins", origins.join(",")]] as const) : []),
    ...(body["thumbnailTimestampPct"] === undefined
      ? []
      : ([["thumbnailtimestamppct", String(body["thumbnailTimestampPct"])]] as const)),
    ...(watermark?.uid ? ([["watermark", watermark.uid]] as const) : []),
    ...(body["scheduledDeletion"] === undefined
      ? []
      : ([["scheduleddeletion", String(body["scheduledDeletion"])]] as const)),
  ]);
  const creator = (body["creator"] as string | undefined) ?? null;
  demand((creator?.length ?? 0) <= MAX_CREATOR_CHARACTERS, "creator must be at most 64 characters");
  return readOptions(pairs, { length: null, creator }, context);
}

/** tus 1.0.0: pairs of key and base64, joined by commas. Spaces around the comma are taken, as in the API schema. [C] */
export function parseMetadata(header: string | undefined): Map<string, string> {
  const metadata = new Map<string, string>();
  if (header === undefined) return metadata;
  for (const pair of header.split(",")) {
    const [key = "", value = "", ...rest] = pair.trim().split(" ");
    demand(/^[\x21-\x2b\x2d-\x7e]+$/.test(key), "Upload-Metadata: a key is empty or not ASCII");
    demand(rest.length === 0, `Upload-Metadata: ${key} has more than one value`);
    demand(
      /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
      `Upload-Metadata: the value of ${key} is not base64`,
    );
    demand(!metadata.has(key.toLowerCase()), `Upload-Metadata: ${key} stands twice`);
    metadata.set(key.toLowerCase(), decodeUtf8(key, value));
  }
  return metadata;
}

function decodeUtf8(key: string, base64: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, "base64"));
  } catch {
    throw new RuleBroken(`Upload-Metadata: the value of ${key} is not UTF-8`);
  }
}

function readOptions(
  metadata: Map<string, string>,
  { length, creator }: Pick<Creation, "length" | "creator">,
  { now, watermarks }: RuleContext,
): Creation {
  const duration = metadata.get("maxdurationseconds");
  demand(
    duration === undefined || (/^[1-9]\d*$/.test(duration) && Number(duration) <= MAX_DURATION_SECONDS),
    `maxDurationSeconds must be an integer between 1 and ${MAX_DURATION_SECONDS}`, // [C]
  );

  const expiry = metadata.get("expiry");
  const uploadExpiry = expiry === undefined ? now + DEFAULT_EXPIRY_MS : readTime("expiry", expiry);
  demand(
    expiry === undefined ||
      (uploadExpiry >= now + MIN_EXPIRY_MS - CLOCK_SLACK_MS && uploadExpiry <= now + MAX_EXPIRY_MS + CLOCK_SLACK_MS),
    "expiry must be between 2 minutes and 6 hours ahead",
  );

  const origins = (metadata.get("allowedorigins") ?? "").split(",").filter((origin) => origin !== "");
  for (const origin of origins) {
    demand(!origin.includes("://"), "allowed origin must not specify protocol"); // [C]
    demand(/^(?:\*\.)?[a-z0-9.-]+(?::\d+)?$/i.test(origin), `allowed origin "${origin}" is not a host`);
    demand(!/^localhost$/i.test(origin), "allowed origin localhost must specify a port"); // [C]
  }

  const percentage = metadata.get("thumbnailtimestamppct") ?? "0";
  demand(/^\d*\.?\d+$/.test(percentage) && Number(percentage) <= 1, "thumbnailTimestampPct must be between 0 and 1"); // [C]

  const watermark = metadata.get("watermark") ?? null;
  demand((watermark?.length ?? 0) <= MAX_WATERMARK_CHARACTERS, "watermark must be at most 32 characters"); // [C]
  demand(watermark === null || watermarks.includes(watermark), "watermark profile does not exist"); // [C]

  const deletion = metadata.get("scheduleddeletion");
  const scheduledDeletion = deletion === undefined ? null : readTime("scheduledDeletion", deletion);
  demand(
    scheduledDeletion === null ||
      (scheduledDeletion >= now + MIN_DELETION_DAYS * DAY_MS - CLOCK_SLACK_MS &&
        scheduledDeletion <= now + MAX_DELETION_DAYS * DAY_MS + CLOCK_SLACK_MS),
    `scheduledDeletion must be ${MIN_DELETION_DAYS} to ${MAX_DELETION_DAYS} days ahead`, // [C]
  );

  return {
    length,
    creator,
    meta: Object.fromEntries([...metadata].filter(([key]) => !OPTIONS.has(key))),
    maxDurationSeconds: duration === undefined ? null : Number(duration),
    uploadExpiry,
    // [C] that the value does not matter, [S] that "false" turns it on
    requireSignedURLs: metadata.has("requiresignedurls"),
    allowedOrigins: origins,
    thumbnailTimestampPct: Number(percentage),
    watermark,
    scheduledDeletion,
  };
}

/** Keys that are options of the video, not part of its `meta`. */
const OPTIONS: ReadonlySet<string> = new Set([
  "maxdurationseconds",
  "expiry",
  "requiresignedurls",
  "allowedorigins",
  "thumbnailtimestamppct",
  "watermark",
  "scheduleddeletion",
]);

function readTime(name: string, text: string): number {
  const time = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : NaN;
  demand(!Number.isNaN(time), `${name} must be an RFC 3339 date and time`); // [C]
  return time;
}

export function demand(kept: boolean, rule: string): asserts kept {
  if (!kept) throw new RuleBroken(rule);
}
