import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { isJsonObject } from "../../shared/json.ts";
import { rfc3339 } from "../../shared/time.ts";
import type { Upload, UploadState, VideoSource } from "../../uploads/rules/upload-state.ts";

/** A video as Stream's API returns it. https://developers.cloudflare.com/api/resources/stream/methods/get/ */
export type VideoJson = Readonly<Record<string, unknown>>;

/** The statuses by which Stream filters a list. https://developers.cloudflare.com/api/resources/stream/methods/list/ */
export const VIDEO_STATUSES = [
  "pendingupload",
  "downloading",
  "queued",
  "inprogress",
  "ready",
  "error",
  "live-inprogress",
] as const;

export type VideoStatus = (typeof VIDEO_STATUSES)[number];

/** The upload states whose video Stream would show, with its status. An `unknown` upload may have a video, but shows none. */
const SHOWN = { issued: "pendingupload", failed: "error", ready: "ready" } as const satisfies Partial<
  Record<UploadState, VideoStatus>
>;

/** The upload state that includes all videos of a status. */
export function stateOfStatus(status: VideoStatus): keyof typeof SHOWN {
  return status === "ready" ? "ready" : status === "error" ? "failed" : "issued";
}

/** A video under Cloudflare's names. */
export interface VideoDocument extends VideoJson {
  readonly uid: string;
  readonly status: { readonly state: string } & VideoJson;
}

/**
 * Describes an upload's video as Stream would: from the last description by Stream, or from the upload without one. State, size
 * and creation time come from the ledger, since the last description may be a late notification, and lists are sorted by the
 * ledger's creation time.
 *
 * @returns `undefined` if Stream would show no video
 */
export function videoDocument(upload: Upload & { readonly video?: VideoJson }): VideoDocument | undefined {
  const { uid, state, creator = null, created, expires, seconds, bytes, failure, name, meta, video = {} } = upload;
  const { source, clippedFrom } = upload;
  if (uid === undefined || !isShown(state)) return undefined;
  const ready = state === "ready";
  return {
    creator,
    meta: { ...(name !== undefined && { name }), ...meta },
    ...(source ? {} : { uploadExpiry: rfc3339(expires) }),
    ...(clippedFrom !== undefined && { clippedFrom }),
    ...(!ready && { duration: UNKNOWN, maxDurationSeconds: seconds }),
    ...forClients(video),
    uid,
    created: rfc3339(created),
    readyToStream: ready,
    // Until there is a file, `bytes` is the announced length or the maximum of a basic link.
    ...(ready && { duration: seconds, size: bytes }),
    status: {
      ...(isJsonObject(video["status"]) && video["status"]),
      ...(failure !== undefined && { errorReasonCode: failure }),
      state: statusOf(state, source, video["status"]),
    },
  };
}

/** "A value of -1 means the duration is unknown." */
const UNKNOWN = -1;

function isShown(state: UploadState): state is keyof typeof SHOWN {
  return Object.hasOwn(SHOWN, state);
}

/** Only Stream has the exact status of a running upload. */
function statusOf(state: keyof typeof SHOWN, source: VideoSource | undefined, lastStatus: unknown): string {
  const lastState = isJsonObject(lastStatus) ? lastStatus["state"] : undefined;
  const isRunning =
    state === "issued" && typeof lastState === "string" && lastState !== "ready" && lastState !== "error";
  if (isRunning) return lastState;
  return state === "issued" && source ? "queued" : SHOWN[state];
}

/** The `meta` of a video, which other systems may have written. */
export function metaOf({ meta }: VideoJson): VideoJson {
  return isJsonObject(meta) ? meta : {};
}

/** In the `meta` of a copy: the link that Stream has fetched it from, which may be signed. */
export const LINK_KEY = "downloaded-from";

/**
 * What clients see of a video: not the tag by which the gateway recognizes it, and no link that Stream has fetched a file from. A
 * row that version 0.1 has written may have the link of a copy.
 */
export function forClients(video: VideoJson): VideoJson {
  const { meta, watermark } = video;
  return {
    ...video,
    ...(isJsonObject(meta) && { meta: without(meta, SLUICE_KEY, LINK_KEY) }),
    ...(isJsonObject(watermark) && { watermark: without(watermark, "downloadedFrom") }),
  };
}

function without(object: VideoJson, ...keys: readonly string[]): VideoJson {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
