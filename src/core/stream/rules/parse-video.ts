import * as v from "valibot";
import { isCreator } from "../../policy/rules/creator.ts";
import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { roundToMilliseconds } from "../../quota/rules/usage-totals.ts";
import { isDeeperThan } from "../../shared/json.ts";
import { truncate } from "../../shared/text.ts";
import { parseTimeLeniently } from "../../shared/time.ts";
import { parseUid } from "./upload-url.ts";
import type { AccountMaxima } from "./upstream.ts";
import type { SkippedVideo, StreamVideo } from "./video.ts";
import { LINK_KEY, type VideoJson } from "./video-document.ts";
import { parseTag } from "./video-tag.ts";

/** Something else counts as absent. */
const text = v.fallback(v.nullish(v.string()), undefined);

const namedSchema = v.object({ uid: text, id: text, created: text });

/**
 * What the gateway cannot do without, and texts. The API and the webhook send `uid`, the event subscription sends `id`.
 * Cloudflare's examples have two names for the reason of a failure.
 *
 * @see https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/
 */
const videoSchema = v.looseObject({
  ...namedSchema.entries,
  status: v.object({ state: v.string(), errorReasonCode: text, errReasonCode: text }),
  creator: text,
  uploadExpiry: text,
  clippedFrom: text,
  meta: v.fallback(v.nullish(v.record(v.string(), v.unknown())), undefined),
});

/** Of a description. Stream's have 3 levels; the operator's own systems may write more into `meta`. */
const MAX_LEVELS = 32;

/** A number that is this many times what the account takes is a mistake, and not a maximum that Cloudflare has raised meanwhile. */
const IMPLAUSIBLE_FACTOR = 10;

/** 2017-01-01, before Stream existed, and 2100-01-01. */
export const FIRST_VIDEO = 1_483_228_800;
const LAST_VIDEO = 4_102_444_800;

/** Upload URLs live 6 hours (assumed); ten times that is a mistake. */
const MAX_URL_SECONDS = IMPLAUSIBLE_FACTOR * 6 * 3_600;

/**
 * Parses a video from Stream's API, webhook or event subscription. Nothing in it is trusted: a number or time that no video
 * can have counts as unknown, and a member that nests too deep to be passed on is left out. The state counts all the same.
 *
 * @param maxima of the account
 * @returns `undefined` if the JSON is not a video
 */
export function parseVideo(json: unknown, { maxVideoSeconds, maxUploadBytes }: AccountMaxima): StreamVideo | undefined {
  const parsed = v.safeParse(videoSchema, json);
  if (!parsed.success) return undefined;
  const { uid: ownUid, id, status, meta, creator, clippedFrom, ...times } = parsed.output;
  // Checked, since it becomes part of API paths that are called with the account's credential.
  const uid = parseUid(ownUid ?? id ?? null);
  if (!uid) return undefined;

  const most: Readonly<Record<string, number>> = {
    duration: maxVideoSeconds,
    maxDurationSeconds: maxVideoSeconds,
    size: maxUploadBytes,
  };
  const members = Object.entries({ ...parsed.output, ...(meta && { meta: withoutLink(meta) }) });
  const shallow = members.filter(([, value]) => !isDeeperThan(MAX_LEVELS - 1, value));
  const video: VideoJson = Object.fromEntries(
    shallow.filter(([key, value]) => !(typeof value === "number" && value > IMPLAUSIBLE_FACTOR * (most[key] ?? NaN))),
  );
  const tag = parseTag(meta?.[SLUICE_KEY]);
  const maxDurationSeconds = secondsOf(video["maxDurationSeconds"]);
  const created = timeOf(times.created, FIRST_VIDEO, LAST_VIDEO);
  const expires = created === undefined ? undefined : timeOf(times.uploadExpiry, created, created + MAX_URL_SECONDS);
  return {
    report: reportOf(uid, status, video),
    json: video,
    ...(shallow.length < members.length && { tooDeep: true }),
    ...(tag && { tag }),
    ...(creator && isCreator(creator) && { creator }),
    ...sourceOf(clippedFrom, meta),
    ...(created !== undefined && { created }),
    ...(expires !== undefined && { expires }),
    // 0 counts as absent.
    ...(maxDurationSeconds && { maxDurationSeconds }),
  };
}

type Meta = v.InferOutput<typeof videoSchema>["meta"];

/** The link of a copy leaves Sluice nowhere: not in answers, events or lists, and neither is it stored. */
function withoutLink(meta: Meta): Meta {
  return meta && Object.fromEntries(Object.entries(meta).filter(([key]) => key !== LINK_KEY));
}

function sourceOf(clippedFrom: string | null | undefined, meta: Meta): Pick<StreamVideo, "source"> {
  if (clippedFrom) return { source: "clip" };
  return meta && LINK_KEY in meta ? { source: "copy" } : {};
}

/** What is reported of a listed video that is none for `parseVideo`. */
export function skippedVideo(json: unknown): SkippedVideo {
  const named = v.parse(v.fallback(namedSchema, {}), json);
  const created = timeOf(named.created, FIRST_VIDEO, LAST_VIDEO);
  return { skipped: truncate(named.uid ?? named.id ?? "unknown"), ...(created !== undefined && { created }) };
}

function reportOf(
  uid: string,
  { state, errorReasonCode, errReasonCode }: v.InferOutput<typeof videoSchema>["status"],
  { duration, size }: VideoJson,
): StreamVideo["report"] {
  const reason = errorReasonCode ?? errReasonCode;
  const seconds = secondsOf(duration);
  const sizes = { ...(seconds !== undefined && { seconds }), ...(isByteCount(size) && { bytes: size }) };
  switch (state) {
    case "pendingupload":
      return { kind: "pending", uid };
    case "ready":
      return { kind: "ready", uid, ...sizes };
    case "error":
      return { kind: "failed", uid, ...(reason && { reason: truncate(reason) }) };
    default:
      return { kind: "processing", uid, ...sizes };
  }
}

/** "A value of -1 means the duration is unknown." */
function secondsOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? roundToMilliseconds(value) : undefined;
}

/** Sums of fractions would drift. */
function isByteCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** @returns seconds since the epoch, if they are within these bounds */
function timeOf(text: string | null | undefined, from: number, to: number): number | undefined {
  const time = parseTimeLeniently(text ?? "");
  return time !== undefined && time >= from && time <= to ? time : undefined;
}
