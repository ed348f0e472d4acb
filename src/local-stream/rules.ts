/**
 * Stream's rules for a creation and an edit. Strict where Stream's behaviour is unknown, so that a client that is accepted here
 * keeps every possible rule. The rules for single values are in `values.ts`.
 */
import { parseMetadata } from "./metadata.ts";
import {
  DEFAULT_EXPIRY_MS,
  demand,
  readCreator,
  readDeletion,
  readDuration,
  readExpiry,
  readFields,
  readLength,
  readObject,
  readOrigins,
  readPercentage,
  readWatermark,
} from "./values.ts";

/** A valid creation. */
export interface Creation {
  /** Bytes; null for a basic upload, whose length is known when the form arrives. */
  readonly length: number | null;
  readonly creator: string | null;
  /** Every metadata key that is not an option below, in the case in which it was sent, decoded. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Seconds; null if the client set none. */
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

/** The changes of an edit; absent fields keep their value. */
export type Edit = Partial<Omit<Creation, "length" | "watermark">> & { readonly publicDetails?: PublicDetails };

export type PublicDetails = Readonly<Record<string, string | null>>;

export interface RuleContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Uids of the account's watermark profiles. */
  readonly watermarks: readonly string[];
}

/** Reads a creation from the headers of a tus `POST`, names in lower case. Throws `RuleBroken`. */
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
  /** Applies a rule to the value of a key. @param absent the value of an absent key */
  const value = <T, D>(key: string, rule: (text: string) => T, absent: D): T | D => {
    const entry = metadata.get(key);
    return entry ? rule(entry.text) : absent;
  };
  return {
    length,
    creator,
    // Other keys are stored without a check [C]; that they keep their case is [S]: Uppy's `relativePath` does.
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

/** Keys that are options of the video. That they are left out of `meta` is [U]. */
const OPTIONS: ReadonlySet<string> = new Set([
  "maxdurationseconds",
  "expiry",
  "requiresignedurls",
  "allowedorigins",
  "thumbnailtimestamppct",
  "watermark",
  "scheduleddeletion",
]);

/** Reads a creation from the JSON of a `direct_upload`. Throws `RuleBroken`. */
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

/** Fields of a body that makes a video without an upload. [C] */
const MADE_FIELDS: ReadonlySet<string> = new Set(
  "allowedOrigins creator meta name requireSignedURLs scheduledDeletion thumbnailTimestampPct watermark".split(" "),
);

/** A part of another video; seconds. */
export interface Clip {
  readonly of: string;
  readonly start: number;
  readonly end: number;
}

/** Reads a creation from the JSON of a `copy`. Throws `RuleBroken`. */
export function readCopy(json: unknown, context: RuleContext): Creation & { readonly url: string } {
  const { input, url: older, ...body } = readObject(json, "the body");
  demand(input === undefined || older === undefined, "input and url must not both be there"); // [U]
  const url = input ?? older;
  demand(typeof url === "string" && /^https?:\/\/\S+$/.test(url) && URL.canParse(url), "input must be a URL");
  const made = readMade(body, context);
  return { ...made, url, meta: { ...made.meta, "downloaded-from": url } }; // [C] the key
}

/** Reads a creation from the JSON of a `clip`. Throws `RuleBroken`. */
export function readClip(json: unknown, context: RuleContext): Creation & { readonly clip: Clip } {
  const {
    clippedFromVideoUID: of,
    startTimeSeconds: start,
    endTimeSeconds: end,
    ...body
  } = readObject(json, "the body");
  demand(typeof of === "string", "clippedFromVideoUID is required");
  demand(isSecond(start) && isSecond(end) && start < end, "startTimeSeconds and endTimeSeconds must be whole seconds");
  return { ...readMade(body, context), clip: { of, start, end } };
}

function isSecond(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0;
}

/** An unknown field is refused. [U] */
function readMade(body: Readonly<Record<string, unknown>>, context: RuleContext): Creation {
  const unknown = Object.keys(body).find((name) => !MADE_FIELDS.has(name));
  demand(unknown === undefined, `${unknown} is not a field of this call`);
  const { name, ...more } = body;
  const made = readDirectUpload({ ...more, maxDurationSeconds: 1 }, context);
  return { ...made, maxDurationSeconds: null, meta: { ...(name !== undefined && { name }), ...made.meta } };
}

/** The fields of an edit. [C] */
const EDITABLE = [
  "uid",
  "creator",
  "meta",
  "requireSignedURLs",
  "allowedOrigins",
  "thumbnailTimestampPct",
  "scheduledDeletion",
  "publicDetails",
  "maxDurationSeconds",
  "uploadExpiry",
];

/**
 * Reads an edit from JSON. Throws `RuleBroken`.
 *
 * @param video `pending` while it waits for its upload; `created` in milliseconds since the epoch
 */
export function readEdit(
  json: unknown,
  { now }: RuleContext,
  video: { uid: string; created: number; pending: boolean },
): Edit {
  const body = readFields(json, "the body", EDITABLE);
  demand(body["uid"] === undefined || body["uid"] === video.uid, "uid does not match"); // [C] that it is for verification
  // "Can be set for a video that is not yet uploaded" [C]; afterwards undocumented. [U]
  const late = ["maxDurationSeconds", "uploadExpiry"].find((name) => body[name] !== undefined && !video.pending);
  demand(late === undefined, `${late} can only be set before the upload`);
  const uploadExpiry = body["uploadExpiry"];
  return {
    ...readCommon(body, now, video.created),
    ...(body["publicDetails"] !== undefined && { publicDetails: readPublicDetails(body["publicDetails"]) }),
    ...(uploadExpiry !== undefined && { uploadExpiry: readExpiry(uploadExpiry, now, "uploadExpiry") }), // bounds [U]
  };
}

/** The fields that a creation and an edit share. A field of the wrong type is refused. [U] */
function readCommon(body: Readonly<Record<string, unknown>>, now: number, created = now): Edit {
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
      scheduledDeletion: scheduledDeletion === null ? null : readDeletion(scheduledDeletion, now, created),
    }),
  };
}

/** Names and types [C]; that the whole of it is replaced, and what is unknown refused, is [U]. */
function readPublicDetails(value: unknown): PublicDetails {
  const details = readFields(value, "publicDetails", ["title", "share_link", "channel_link", "logo"]);
  for (const [name, detail] of Object.entries(details))
    demand(detail === null || typeof detail === "string", `publicDetails.${name} must be text or null`);
  return details as PublicDetails;
}

function readNumber(text: string, form: RegExp): number {
  return form.test(text) ? Number(text) : Number.NaN;
}
