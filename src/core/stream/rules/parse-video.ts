import { parseTimeLeniently } from "../../shared/time.ts";
import * as v from "valibot";
import { roundToMilliseconds } from "../../quota/rules/usage-totals.ts";
import { parseUid } from "./upload-url.ts";
import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { truncate } from "../../shared/text.ts";
import type { StreamVideo } from "./video.ts";
import { parseTag } from "./video-tag.ts";

const text = v.optional(v.nullable(v.string()));

/** `JSON.parse` reads 1e999 as Infinity. */
const number = v.optional(v.nullable(v.pipe(v.number(), v.finite())));

/**
 * The fields of a video that the gateway uses. The API and the webhook send `uid`, the event subscription sends `id`.
 * Cloudflare's examples have two names for the reason of a failure.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/
 */
const videoSchema = v.looseObject({
  uid: text,
  id: text,
  status: v.object({ state: v.string(), errorReasonCode: text, errReasonCode: text }),
  duration: number,
  size: number,
  maxDurationSeconds: number,
  creator: text,
  created: text,
  uploadExpiry: text,
  meta: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
});

/** Parses a video from Stream's API, webhook or event subscription. @returns `undefined` if the JSON is not a video */
export function parseVideo(json: unknown): StreamVideo | undefined {
  const parsed = v.safeParse(videoSchema, json);
  if (!parsed.success) return undefined;
  const video = parsed.output;
  // Checked, since it becomes part of API paths that are called with the account's credential.
  const uid = parseUid(video.uid ?? video.id ?? null);
  if (!uid) return undefined;
  const tag = parseTag(video.meta?.[SLUICE_KEY]);
  // -1 means unknown; 0 or less counts as absent.
  const maxDurationSeconds = roundToMilliseconds(Math.max(0, video.maxDurationSeconds ?? 0));
  const [created, expires] = [parseTimeLeniently(video.created ?? ""), parseTimeLeniently(video.uploadExpiry ?? "")];
  return {
    report: reportOf(uid, video),
    json: video,
    ...(tag && { tag }),
    ...(video.creator && { creator: video.creator }),
    ...(created !== undefined && { created }),
    ...(expires !== undefined && { expires }),
    ...(maxDurationSeconds > 0 && { maxDurationSeconds }),
  };
}

function reportOf(uid: string, { status, duration, size }: v.InferOutput<typeof videoSchema>): StreamVideo["report"] {
  const reason = status.errorReasonCode ?? status.errReasonCode;
  switch (status.state) {
    case "pendingupload":
      return { kind: "pending", uid };
    case "ready":
      return {
        kind: "ready",
        uid,
        ...(isKnown(duration) && { seconds: roundToMilliseconds(duration) }),
        ...(isKnown(size) && { bytes: size }),
      };
    case "error":
      return { kind: "failed", uid, ...(reason && { reason: truncate(reason) }) };
    default:
      return { kind: "processing", uid };
  }
}

/** "A value of -1 means the duration is unknown." */
function isKnown(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && value >= 0;
}
