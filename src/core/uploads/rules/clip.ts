import * as v from "valibot";
import { integer } from "../../shared/fields.ts";
import { problem } from "../../shared/problem.ts";
import { type Result, err, ok } from "../../shared/result.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { OPTIONS } from "../../policy/rules/decide-edit.ts";
import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { type VideoJson, metaOf } from "../../stream/rules/video-document.ts";
import { VIDEO_FIELDS, type VideoOptions, WATERMARK, readOptions, writeOptions } from "./direct-upload.ts";
import type { Clip, CreationRequest } from "./creation-request.ts";
import { optionsOf, writeVideoEdit } from "./video-edit.ts";

/**
 * Clips: Stream makes a video of a part of another one, the parent. Policy, limits, idempotency and ledger are those of an upload.
 *
 * @see https://developers.cloudflare.com/stream/edit-videos/video-clipping/
 */

export function secondsOf({ startSeconds, endSeconds }: Clip): number {
  return endSeconds - startSeconds;
}

/** Longer than any video. */
const MAX_SECONDS = 1_000_000;

const seconds = integer(0, MAX_SECONDS);

/** The client's body, without the parent. */
const FIELDS = {
  ...VIDEO_FIELDS,
  watermark: WATERMARK,
  name: v.nullish(v.string()),
  startTimeSeconds: seconds,
  endTimeSeconds: seconds,
};

export const clipSchema = jsonObject(FIELDS);

/** Of Cloudflare's API, where the body names the parent. */
export const clipOfVideoSchema = jsonObject({ ...FIELDS, clippedFromVideoUID: v.string() });

export type ClipBody = v.InferOutput<typeof clipSchema>;

/** @param creator the client's `Upload-Creator`; the body takes precedence (assumed) */
export function readClip(of: string, body: ClipBody, creator: string | undefined): Result<CreationRequest> {
  const { startTimeSeconds: startSeconds, endTimeSeconds: endSeconds } = body;
  if (startSeconds >= endSeconds)
    return err(
      problem(
        "body_invalid",
        `endTimeSeconds must be after startTimeSeconds, ${startSeconds} (found: ${endSeconds}).`,
        { key: "endTimeSeconds" },
      ),
    );
  // Its own length decides.
  const options = readOptions({ ...body, maxDurationSeconds: null }, creator);
  if (!options.ok) return options;
  return ok({ kind: "clip", ...options.value, clip: { of, startSeconds, endSeconds } });
}

/** The body that is sent to Stream. */
export interface StreamClip extends VideoOptions {
  readonly clippedFromVideoUID: string;
  readonly startTimeSeconds: number;
  readonly endTimeSeconds: number;
}

/** Builds the body for Stream from decided metadata. @param clip with the uid of its parent */
export function writeClip(
  { of, startSeconds, endSeconds }: Clip,
  metadata: ReadonlyMap<string, string>,
  creator: string | undefined,
): StreamClip {
  return {
    clippedFromVideoUID: of,
    startTimeSeconds: startSeconds,
    endTimeSeconds: endSeconds,
    ...writeOptions(metadata, creator),
  };
}

/**
 * What has to be edited of a clip so that it is as it was decided.
 *
 * @param shown Stream's description of the clip. It does not show a watermark reliably (assumed), which cannot be edited either
 * @returns `undefined` if nothing
 */
export function correctClip(decided: StreamClip, shown: VideoJson): VideoJson | undefined {
  const [wanted, found] = [optionsOf({ ...decided }), optionsOf(shown)];
  const { [SLUICE_KEY]: tag = "", ...meta } = decided.meta;
  const creator = decided.creator ?? "";
  const isSameMeta = canonical(metaOf(shown)) === canonical(decided.meta);
  return writeVideoEdit(
    {
      options: new Map(
        OPTIONS.filter((key) => wanted.get(key) !== found.get(key)).map((key) => [key, wanted.get(key)]),
      ),
      ...(!isSameMeta && { meta }),
      ...((shown["creator"] ?? "") !== creator && { creator }),
    },
    tag,
  );
}

function canonical(meta: VideoJson): string {
  return JSON.stringify(Object.entries(meta).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
