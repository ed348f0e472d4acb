import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { METADATA_KEYS } from "../../policy/rules/metadata-keys.ts";
import { type Result, ok } from "../../shared/result.ts";
import type { CreationRequest } from "./tus-creation.ts";
import { type UploadMetadata, encodeUploadMetadata, parseUploadMetadata } from "./upload-metadata.ts";

/**
 * Stream's basic links: an upload URL that takes one form with the whole file, made by `direct_upload` with a body of JSON.
 * The body is another spelling of the same options that a tus creation has in its metadata, so it is read as one, judged
 * as one, and the decision is spelled as JSON again.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/direct_upload/methods/create/
 */

/**
 * The most that a basic link takes, in bytes. What will come by it nobody says beforehand, so a creation is held against
 * the most: a policy that permits less permits no basic link, or it would be no bound at all. (Assumed: decimal megabytes.)
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/direct-creator-uploads/
 */
export const BASIC_UPLOAD_MAX_BYTES = 200_000_000;

/** Where Stream's JSON has a field for a metadata key; all others are in `meta`, as is `name`. */
const OPTIONS: ReadonlySet<string> = new Set([...METADATA_KEYS.keys()].filter((key) => key !== "name"));

/** Kept to what a metadata header can carry, so that both kinds of creation are judged alike. */
const metaKey = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x2b\x2d-\x7e]+$/, "must have keys of printable ASCII, without blanks and commas"),
  v.check((key) => !OPTIONS.has(key.toLowerCase()), "has a key of Stream's own: it is a field of the body"),
);

/** The body of a client. Nothing is required: what Stream asks for, the policy has a default of. */
export const directUploadSchema = jsonObject({
  maxDurationSeconds: v.nullish(v.number()),
  /** RFC 3339. */
  expiry: v.nullish(v.string()),
  creator: v.nullish(v.string()),
  meta: v.nullish(
    v.pipe(
      v.unknown(),
      v.check((value) => !Array.isArray(value), "must be an object"),
      v.record(metaKey, v.string("must have texts as values")),
    ),
  ),
  allowedOrigins: v.nullish(v.array(v.string())),
  requireSignedURLs: v.nullish(v.boolean()),
  /** RFC 3339. */
  scheduledDeletion: v.nullish(v.string()),
  thumbnailTimestampPct: v.nullish(v.number()),
  watermark: v.nullish(jsonObject({ uid: v.nullish(v.string()) })),
});

export type DirectUploadBody = v.InferOutput<typeof directUploadSchema>;

/** Digits that a policy reads behind a point; written out, never as 1e-7. */
const FRACTION_DIGITS = 6;

/** @param creator the client's `Upload-Creator`, by which the SDK can say it as well; the body counts for more (assumed) */
export function readDirectUpload(body: DirectUploadBody, creator: string | undefined): Result<CreationRequest> {
  const options: [key: string, value: string | undefined][] = [
    ["maxdurationseconds", body.maxDurationSeconds?.toString()],
    ["expiry", body.expiry ?? undefined],
    ["requiresignedurls", body.requireSignedURLs ? "" : undefined],
    ["allowedorigins", body.allowedOrigins?.join(",") || undefined],
    ["scheduleddeletion", body.scheduledDeletion ?? undefined],
    ["thumbnailtimestamppct", body.thumbnailTimestampPct?.toFixed(FRACTION_DIGITS)],
    ["watermark", body.watermark?.uid ?? undefined],
  ];
  const given = options.filter((option): option is [string, string] => option[1] !== undefined);
  // Through the header's grammar, so that its bounds hold here too.
  const metadata = parseUploadMetadata(encodeUploadMetadata([...given, ...Object.entries(body.meta ?? {})]));
  if (!metadata.ok) return metadata;
  const wanted = body.creator || creator;
  return ok({
    kind: "direct",
    length: BASIC_UPLOAD_MAX_BYTES,
    metadata: metadata.value,
    ...(wanted && { creator: wanted }),
  });
}

/** The body for Stream. */
export interface DirectUpload {
  readonly maxDurationSeconds: number;
  readonly expiry: string;
  readonly requireSignedURLs: boolean;
  readonly meta: Readonly<Record<string, string>>;
  readonly creator?: string;
  readonly allowedOrigins?: readonly string[];
  readonly scheduledDeletion?: string;
  readonly thumbnailTimestampPct?: number;
  readonly watermark?: { readonly uid: string };
}

/** The body for what has been decided, built anew like the header of a tus creation. */
export function writeDirectUpload(metadata: UploadMetadata, creator: string | undefined): DirectUpload {
  const hosts = metadata.get("allowedorigins");
  const scheduledDeletion = metadata.get("scheduleddeletion");
  const percentage = metadata.get("thumbnailtimestamppct");
  const watermark = metadata.get("watermark");
  return {
    // An accepted creation has both.
    maxDurationSeconds: Number(metadata.get("maxdurationseconds")),
    expiry: metadata.get("expiry") ?? "",
    requireSignedURLs: metadata.has("requiresignedurls"),
    meta: Object.fromEntries([...metadata].filter(([key]) => !OPTIONS.has(key))),
    ...(creator !== undefined && { creator }),
    ...(hosts !== undefined && { allowedOrigins: hosts.split(",") }),
    ...(scheduledDeletion !== undefined && { scheduledDeletion }),
    ...(percentage !== undefined && { thumbnailTimestampPct: Number(percentage) }),
    ...(watermark !== undefined && { watermark: { uid: watermark } }),
  };
}
