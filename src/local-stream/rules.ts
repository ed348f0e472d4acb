/**
 * What Stream demands of a creation and of an edit. Stricter than Stream is known to be wherever that is unknown: whoever
 * gets past this has kept every rule there is. The rules for single values are in `values.ts`.
 */
import { parseMetadata } from "./metadata.ts";
import {
  DEFAULT_EXPIRY_MS,
  demand,
  readCreator,
  readDeletion,
  readDuration,
  readExpiry,
  readLength,
  readOrigins,
  readPercentage,
  readWatermark,
} from "./values.ts";

/** A creation that keeps all rules. */
export interface Creation {
  /** Bytes; null for a basic upload, whose length comes with it. */
  readonly length: number | null;
  readonly creator: string | null;
  /** Every metadata key that is no option below, in the case in which it was sent, decoded. */
  readonly meta: Readonly<Record<string, unknown>>;
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

/** What an edit may change; a field that is absent stays as it was. */
export type Edit = Partial<Omit<Creation, "length" | "watermark">>;

export interface RuleContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Uids of the account's watermark profiles. */
  readonly watermarks: readonly string[];
}

/** The creation in the headers of a tus `POST`, names in lower case. Throws `RuleBroken`. */
export function readTusCreation(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  { now, watermarks }: RuleContext,
): Creation {
  const header = (name: string): string | undefined => {
    const value = headers[name];
    if (value === undefined || typeof value === "string") return value;
    demand(value.length === 1, `${name} was sent more than once`);
    return value[0];
  };
  demand(header("tus-resumable") === "1.0.0", "Tus-Resumable must be 1.0.0"); // [C]
  demand(header("upload-defer-length") === undefined, "Upload-Defer-Length is not supported"); // [U]
  demand(header("upload-concat") === undefined, "Upload-Concat is not supported"); // [U]
  const length = readLength(header("upload-length") ?? "");
  const creator = readCreator(header("upload-creator"), "Upload-Creator");
  const metadata = parseMetadata(header("upload-metadata"));
  /** The value of a key under a rule, or what stands for an absent one. */
  const value = <T, D>(key: string, rule: (text: string) => T, absent: D): T | D => {
    const found = metadata.get(key);
    return found ? rule(found.text) : absent;
  };
  return {
    length,
    creator,
    // Any other key is stored without a word [C]; that its case stays as it was is [S]: Uppy's `relativePath` comes back so.
    meta: Object.fromEntries(
      [...metadata]
        .filter(([key]) => !OPTIONS.has(key))
        .map(([known, { key, text }]) => [known === "name" ? known : key, text]),
    ),
    maxDurationSeconds: value("maxdurationseconds", (text) => readDuration(readNumber(text, /^[1-9]\d*$/)), null),
    uploadExpiry: value("expiry", (text) => readExpiry(text, now), now + DEFAULT_EXPIRY_MS),
    // [C] that presence means true, [S] that "false" turns it on as well
    requireSignedURLs: metadata.has("requiresignedurls"),
    allowedOrigins: value("allowedorigins", (text) => readOrigins(text === "" ? [] : text.split(",")), []),
    thumbnailTimestampPct: value(
      "thumbnailtimestamppct",
      (text) => readPercentage(readNumber(text, /^\d*\.?\d+$/)), // "float text" [C]; without an exponent [U]
      0,
    ),
    watermark: value("watermark", (text) => readWatermark(text, watermarks), null),
    scheduledDeletion: value("scheduleddeletion", (text) => readDeletion(text, now), null),
  };
}

/** Keys that are options of the video, not part of its `meta`. [U] that they are left out of it. */
const OPTIONS: ReadonlySet<string> = new Set([
  "maxdurationseconds",
  "expiry",
  "requiresignedurls",
  "allowedorigins",
  "thumbnailtimestamppct",
  "watermark",
  "scheduleddeletion",
]);

/** The creation in the JSON of a `direct_upload`. Throws `RuleBroken`. */
export function readDirectUpload(json: unknown, { now, watermarks }: RuleContext): Creation {
  const body = readObject(json, "the body");
  demand(body["maxDurationSeconds"] !== undefined, "maxDurationSeconds is required"); // [C]
  const watermark = body["watermark"] ?? null;
  return {
    length: null,
    creator: null,
    meta: {},
    maxDurationSeconds: null,
    uploadExpiry: body["expiry"] === undefined ? now + DEFAULT_EXPIRY_MS : readExpiry(body["expiry"], now),
    requireSignedURLs: false,
    allowedOrigins: [],
    thumbnailTimestampPct: 0,
    scheduledDeletion: null,
    watermark: watermark === null ? null : readWatermark(readObject(watermark, "watermark")["uid"], watermarks),
    ...readCommon(body, now),
  };
}

/** The changes in the JSON of an edit of a video that is, or is not, still waiting for its upload. Throws `RuleBroken`. */
export function readEdit(json: unknown, { now }: RuleContext, video: { uid: string; pending: boolean }): Edit {
  const body = readObject(json, "the body");
  demand(body["uid"] === undefined || body["uid"] === video.uid, "uid does not match"); // [C] that it is for verification
  // "Can be set for a video that is not yet uploaded" [C]; what happens later is not said. [U]
  const late = ["maxDurationSeconds", "uploadExpiry"].find((name) => body[name] !== undefined && !video.pending);
  demand(late === undefined, `${late} can only be set before the upload`);
  const uploadExpiry = body["uploadExpiry"];
  return {
    ...readCommon(body, now),
    ...(uploadExpiry !== undefined && { uploadExpiry: readExpiry(uploadExpiry, now, "uploadExpiry") }), // bounds [U]
  };
}

/** The fields that a creation and an edit share. A field of the wrong type is refused. [U] */
function readCommon(body: Readonly<Record<string, unknown>>, now: number): Edit {
  const { meta, creator, maxDurationSeconds, requireSignedURLs, allowedOrigins } = body;
  const { thumbnailTimestampPct, scheduledDeletion } = body;
  demand(allowedOrigins === undefined || Array.isArray(allowedOrigins), "allowedOrigins must be a list");
  demand(
    requireSignedURLs === undefined || typeof requireSignedURLs === "boolean",
    "requireSignedURLs must be true or false",
  );
  return {
    ...(meta !== undefined && { meta: readObject(meta, "meta") }),
    ...(creator !== undefined && { creator: readCreator(creator, "creator") }),
    ...(maxDurationSeconds !== undefined && { maxDurationSeconds: readDuration(maxDurationSeconds as number) }),
    ...(requireSignedURLs !== undefined && { requireSignedURLs }),
    ...(allowedOrigins !== undefined && { allowedOrigins: readOrigins(allowedOrigins) }),
    ...(thumbnailTimestampPct !== undefined && {
      thumbnailTimestampPct: readPercentage(
        typeof thumbnailTimestampPct === "number" ? thumbnailTimestampPct : Number.NaN,
      ),
    }),
    // "Omit the field to indicate no change, or include with a null value to remove an existing scheduled deletion." [C]
    ...(scheduledDeletion !== undefined && {
      scheduledDeletion: scheduledDeletion === null ? null : readDeletion(scheduledDeletion, now),
    }),
  };
}

function readNumber(text: string, form: RegExp): number {
  return form.test(text) ? Number(text) : Number.NaN;
}

function readObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  demand(typeof value === "object" && value !== null && !Array.isArray(value), `${name} must be an object`);
  return value as Record<string, unknown>;
}
