import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { METADATA_KEYS } from "../../policy/rules/metadata-keys.ts";
import { type Result, ok } from "../../shared/result.ts";
import type { CreationRequest } from "./creation-request.ts";
import { encodeUploadMetadata, parseUploadMetadata } from "./upload-metadata.ts";

/**
 * Stream's basic links: upload URLs that accept a single form with the whole file, created by `direct_upload` with a JSON
 * body. The body has the same options as the metadata of a tus creation. It is therefore converted to a `CreationRequest`,
 * checked like one, and the decision is converted back to JSON.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/direct_upload/methods/create/
 */

/**
 * Maximum size of a basic link upload, in bytes. The actual size is not known at creation, so quota and policy use the
 * maximum: a policy with a lower `maxBytes` allows no basic links, or its limit could be exceeded. (Assumed: decimal
 * megabytes.)
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/direct-creator-uploads/
 */
export const BASIC_UPLOAD_MAX_BYTES = 200_000_000;

/** Metadata keys that are fields of Stream's JSON; all others, `name` included, are in `meta`. */
const OPTIONS: ReadonlySet<string> = new Set([...METADATA_KEYS.keys()].filter((key) => key !== "name"));

/** Restricted to what a metadata header can contain, so that both kinds of creation follow the same rules. */
const metaKey = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x2b\x2d-\x7e]+$/, "must be a key of printable ASCII characters without space and comma"),
  v.check((key) => !OPTIONS.has(key.toLowerCase()), "is a Stream option: send it as a field of the body, not in meta"),
);

/** Metadata is text: Stream takes numbers and booleans, which a policy reads as a tus creation would send them. Null is absent. */
const metaValue = v.nullable(
  v.pipe(
    v.union([v.string(), v.number(), v.boolean()], "must be a string, a number or a boolean"),
    v.transform(String),
  ),
);

/** Fields of a video that a creation and an edit have in common. */
export const VIDEO_FIELDS = {
  maxDurationSeconds: v.nullish(v.number()),
  creator: v.nullish(v.string()),
  meta: v.nullish(
    v.pipe(
      v.unknown(),
      v.check((value) => !Array.isArray(value), "must be an object"),
      v.record(metaKey, metaValue),
    ),
  ),
  allowedOrigins: v.nullish(v.array(v.string())),
  requireSignedURLs: v.nullish(v.boolean()),
  /** RFC 3339. */
  scheduledDeletion: v.nullish(v.string()),
  thumbnailTimestampPct: v.nullish(v.number()),
};

/** The profile of a watermark. */
export const WATERMARK = v.nullish(jsonObject({ uid: v.nullish(v.string()) }));

/** The client's body. All fields are optional: the policy has defaults for those that Stream requires. */
export const directUploadSchema = jsonObject({
  ...VIDEO_FIELDS,
  /** RFC 3339. */
  expiry: v.nullish(v.string()),
  watermark: WATERMARK,
});

export type DirectUploadBody = v.InferOutput<typeof directUploadSchema>;

/** Decimal places that a policy accepts; also avoids exponents like 1e-7. */
export const FRACTION_DIGITS = 6;

/** @param creator the client's `Upload-Creator`, which the SDK may send as well; the body takes precedence (assumed) */
export function readDirectUpload(body: DirectUploadBody, creator: string | undefined): Result<CreationRequest> {
  const request = readOptions(body, creator);
  return request.ok ? ok({ kind: "direct", length: BASIC_UPLOAD_MAX_BYTES, ...request.value }) : request;
}

/** The options of a JSON body. Not all of them are fields of every kind of creation. */
export type OptionsBody = Omit<DirectUploadBody, "expiry"> & {
  readonly expiry?: DirectUploadBody["expiry"];
  /** Stream's older field for `meta.name`. */
  readonly name?: string | null | undefined;
};

/** Reads the options of a JSON body as the metadata and the creator of a creation. Parameters as for {@link readDirectUpload}. */
export function readOptions(
  body: OptionsBody,
  creator: string | undefined,
): Result<Pick<CreationRequest, "metadata" | "creator">> {
  const options: [key: string, value: string | undefined][] = [
    ["name", body.name || undefined],
    ["maxdurationseconds", body.maxDurationSeconds?.toString()],
    ["expiry", body.expiry ?? undefined],
    ["requiresignedurls", body.requireSignedURLs ? "" : undefined],
    ["allowedorigins", body.allowedOrigins?.join(",") || undefined],
    ["scheduleddeletion", body.scheduledDeletion ?? undefined],
    ["thumbnailtimestamppct", body.thumbnailTimestampPct?.toFixed(FRACTION_DIGITS)],
    ["watermark", body.watermark?.uid ?? undefined],
  ];
  const pairs = options.filter((option): option is [string, string] => option[1] !== undefined);
  // Encode and parse as a header, so that its limits apply here too.
  const metadata = parseUploadMetadata(encodeUploadMetadata([...pairs, ...metaOf(body)]));
  if (!metadata.ok) return metadata;
  const requestedCreator = body.creator || creator;
  return ok({ metadata: metadata.value, ...(requestedCreator && { creator: requestedCreator }) });
}

function metaOf({ meta }: OptionsBody): [key: string, value: string][] {
  return Object.entries(meta ?? {}).filter((pair): pair is [string, string] => pair[1] !== null);
}

/** The options that every kind of creation has in JSON. */
export interface VideoOptions {
  readonly requireSignedURLs: boolean;
  readonly meta: Readonly<Record<string, string>>;
  readonly creator?: string;
  readonly allowedOrigins?: readonly string[];
  readonly scheduledDeletion?: string;
  readonly thumbnailTimestampPct?: number;
  readonly watermark?: { readonly uid: string };
}

/** The body that is sent to Stream. */
export interface DirectUpload extends VideoOptions {
  readonly maxDurationSeconds: number;
  readonly expiry: string;
}

/** Builds the body for Stream from decided metadata; nothing of the client's body is passed through. */
export function writeDirectUpload(metadata: ReadonlyMap<string, string>, creator: string | undefined): DirectUpload {
  return {
    // Every accepted creation has both.
    maxDurationSeconds: Number(metadata.get("maxdurationseconds")),
    expiry: metadata.get("expiry") ?? "",
    ...writeOptions(metadata, creator),
  };
}

/** The part of the body that every kind of creation has. */
export function writeOptions(metadata: ReadonlyMap<string, string>, creator: string | undefined): VideoOptions {
  const hosts = metadata.get("allowedorigins");
  const scheduledDeletion = metadata.get("scheduleddeletion");
  const percentage = metadata.get("thumbnailtimestamppct");
  const watermark = metadata.get("watermark");
  return {
    requireSignedURLs: metadata.has("requiresignedurls"),
    meta: Object.fromEntries([...metadata].filter(([key]) => !OPTIONS.has(key))),
    ...(creator !== undefined && { creator }),
    ...(hosts !== undefined && { allowedOrigins: hosts.split(",") }),
    ...(scheduledDeletion !== undefined && { scheduledDeletion }),
    ...(percentage !== undefined && { thumbnailTimestampPct: Number(percentage) }),
    ...(watermark !== undefined && { watermark: { uid: watermark } }),
  };
}
