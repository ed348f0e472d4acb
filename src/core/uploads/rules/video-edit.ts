import * as v from "valibot";
import type { EditedMetadata, EditedOption, PendingChange, VideoChange } from "../../policy/rules/decide-edit.ts";
import { RESERVED_KEYS, SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { displayName } from "../../shared/fields.ts";
import { isJsonObject } from "../../shared/json.ts";
import { type Result, ok } from "../../shared/result.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { formatTimestamp, parseTimeLeniently } from "../../shared/time.ts";
import { isUrl } from "../../stream/rules/playback.ts";
import type { VideoJson } from "../../stream/rules/video-document.ts";
import { FRACTION_DIGITS, VIDEO_FIELDS } from "./direct-upload.ts";
import { encodeUploadMetadata, parseUploadMetadata } from "./upload-metadata.ts";

/**
 * Edits of a video: the JSON that Stream's `POST /:uid` takes, read into metadata by policy key, decided like that of a creation, and
 * written anew.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/methods/edit/
 */

const PUBLIC_DETAILS = ["title", "share_link", "channel_link", "logo"] as const;

const title = v.nullish(v.union([v.literal(""), displayName]));
/** Of a page that links to it. */
const url = v.nullish(
  v.pipe(
    v.string(),
    v.check((text) => text === "" || isUrl(text), "must be an http or https URL of at most 2,000 characters"),
  ),
);

/** The client's body. Null removes a member, as in a merge patch (RFC 7396). */
export const videoEditSchema = jsonObject({
  ...VIDEO_FIELDS,
  /** "Can be used to verify the video being updated." */
  uid: v.nullish(v.string()),
  /** RFC 3339. */
  uploadExpiry: v.nullish(v.string()),
  publicDetails: v.nullish(jsonObject({ title, share_link: url, channel_link: url, logo: url })),
});

export type VideoEditBody = v.InferOutput<typeof videoEditSchema>;

/** As they are sent to Stream. */
type PublicDetails = Partial<Record<(typeof PUBLIC_DETAILS)[number], string | null>>;

/** An edit, parsed but not yet checked against a policy. Null removes. */
export interface VideoEdit {
  readonly uid?: string;
  readonly metadata: EditedMetadata;
  readonly creator?: string | null;
  readonly publicDetails?: VideoEditBody["publicDetails"];
}

/** Reads an edit. An empty text or list, and a flag that is off, count as absent, as in a creation: they remove. */
export function readVideoEdit(body: VideoEditBody): Result<VideoEdit> {
  const { uid, meta, creator, publicDetails } = body;
  const members: readonly (readonly [key: string, text: string | null | undefined])[] = [
    ["maxdurationseconds", convert(body.maxDurationSeconds, String)],
    ["expiry", convert(body.uploadExpiry, orNull)],
    ["requiresignedurls", convert(body.requireSignedURLs, (on) => (on ? "" : null))],
    ["allowedorigins", convert(body.allowedOrigins, (hosts) => orNull(hosts.join(",")))],
    ["scheduleddeletion", convert(body.scheduledDeletion, orNull)],
    ["thumbnailtimestamppct", convert(body.thumbnailTimestampPct, (fraction) => fraction.toFixed(FRACTION_DIGITS))],
    ...Object.entries(meta ?? {}),
  ];
  const sent = members.filter((member): member is [string, string | null] => member[1] !== undefined);
  // Encoded and parsed as a header, so that its limits apply here, too.
  const parsed = parseUploadMetadata(encodeUploadMetadata(sent.map(([key, text]) => [key, text ?? ""])));
  if (!parsed.ok) return parsed;
  const changes = sent
    // Like UTF-8 in the header of a creation, this replaces lone surrogates.
    .map(([key, text]) => [key.toLowerCase(), text?.toWellFormed() ?? null] as const)
    .filter(([key]) => !RESERVED_KEYS.has(key));
  return ok({
    metadata: { changes: new Map(changes), ...(meta === null && { clearsMeta: true }) },
    ...(uid != null && { uid }),
    ...(creator !== undefined && { creator }),
    ...(publicDetails !== undefined && { publicDetails }),
  });
}

/** Converts a member of the body; null and `undefined` stay what they are. */
function convert<T extends string | number | boolean | readonly string[], R>(
  member: T | null | undefined,
  to: (value: T) => R,
): R | null | undefined {
  return member === null || member === undefined ? member : to(member);
}

function orNull(text: string): string | null {
  return text === "" ? null : text;
}

/** The options of a video that are set, by policy key, as a creation would send them. What Stream describes is not trusted. */
export function optionsOf(video: VideoJson): ReadonlyMap<string, string> {
  const { requireSignedURLs, allowedOrigins, thumbnailTimestampPct, scheduledDeletion } = video;
  const options = new Map<string, string>();
  if (requireSignedURLs === true) options.set("requiresignedurls", "");
  const hosts = Array.isArray(allowedOrigins)
    ? allowedOrigins.filter((host) => typeof host === "string").join(",")
    : "";
  if (hosts !== "") options.set("allowedorigins", hosts);
  // Stream shows 0 for a video without it (assumed).
  if (typeof thumbnailTimestampPct === "number" && thumbnailTimestampPct > 0)
    options.set("thumbnailtimestamppct", String(Number(thumbnailTimestampPct.toFixed(FRACTION_DIGITS))));
  const deletion = typeof scheduledDeletion === "string" ? parseTimeLeniently(scheduledDeletion) : undefined;
  if (deletion !== undefined) options.set("scheduleddeletion", formatTimestamp(deletion));
  return options;
}

/** What an edit makes of the public details. @returns `undefined` if nothing changes */
export function mergePublicDetails(current: unknown, change: VideoEdit["publicDetails"]): PublicDetails | undefined {
  if (change === undefined) return undefined;
  const known = isJsonObject(current) ? current : {};
  const details = PUBLIC_DETAILS.map((name) => {
    const before = typeof known[name] === "string" ? known[name] || null : null;
    const changed = change === null ? null : change[name];
    return { name, before, after: changed === undefined ? before : changed || null };
  });
  if (details.every(({ before, after }) => before === after)) return undefined;
  return Object.fromEntries(details.map(({ name, after }) => [name, after]));
}

/** Everything that an edit changes at Stream. */
export interface DecidedEdit extends VideoChange, PendingChange {
  /** What Stream is told of the person; "": nothing. */
  readonly creator?: string;
  readonly publicDetails?: PublicDetails;
}

/**
 * Builds the body for Stream; nothing of the client's body is passed through. Stream replaces the whole of `meta` (assumed), so the
 * tag by which the gateway recognizes the video is sent with it.
 *
 * @returns `undefined` if nothing changes
 */
export function writeVideoEdit(edit: DecidedEdit, tag: string): VideoJson | undefined {
  const { options, meta, seconds, expires, creator, publicDetails } = edit;
  const body: VideoJson = {
    ...Object.fromEntries([...options].map(([key, text]) => OPTION_WRITERS[key](text))),
    ...(meta && { meta: { ...meta, [SLUICE_KEY]: tag } }),
    ...(seconds !== undefined && { maxDurationSeconds: seconds }),
    ...(expires !== undefined && { uploadExpiry: formatTimestamp(expires) }),
    // An empty text removes it (assumed).
    ...(creator !== undefined && { creator }),
    ...(publicDetails && { publicDetails }),
  };
  return Object.keys(body).length > 0 ? body : undefined;
}

const OPTION_WRITERS: Readonly<Record<EditedOption, (text: string | undefined) => [name: string, value: unknown]>> = {
  requiresignedurls: (text) => ["requireSignedURLs", text !== undefined],
  // "Empty arrays allow the video to be viewed on any origin."
  allowedorigins: (text) => ["allowedOrigins", text?.split(",") ?? []],
  thumbnailtimestamppct: (text) => ["thumbnailTimestampPct", Number(text ?? 0)],
  // "… or include with a null value to remove an existing scheduled deletion."
  scheduleddeletion: (text) => ["scheduledDeletion", text ?? null],
};
