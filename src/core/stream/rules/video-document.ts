import { SLUICE_KEY } from "../../policy/rules/reserved-keys.ts";
import { rfc3339 } from "../../shared/time.ts";
import type { Upload, UploadState } from "../../uploads/rules/upload-state.ts";

/** Stream's own object of a video. https://developers.cloudflare.com/api/resources/stream/methods/get/ */
export type VideoJson = Readonly<Record<string, unknown>>;

/** What a list of Stream's may be filtered by. https://developers.cloudflare.com/api/resources/stream/methods/list/ */
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

/** States of uploads whose video Stream would show. Where there may be one that nobody has seen, it is not shown. */
const SHOWN = { issued: "pendingupload", failed: "error", ready: "ready" } as const satisfies Partial<
  Record<UploadState, VideoStatus>
>;

/** The state of uploads among which those of a status are. */
export function stateOfStatus(status: VideoStatus): keyof typeof SHOWN {
  return status === "ready" ? "ready" : status === "error" ? "failed" : "issued";
}

/** A video under Cloudflare's names. */
export interface VideoDocument extends VideoJson {
  readonly uid: string;
  readonly status: { readonly state: string } & VideoJson;
}

/**
 * An upload's video as Stream would show it: what was last seen of it, or, where nothing was seen yet, what is known by
 * itself. In its state, its size and its time of creation the ledger is right: what was seen last may have been an event
 * that was late, and by its time it is listed. Undefined: Stream would show none.
 */
export function videoDocument(upload: Upload & { readonly video?: VideoJson }): VideoDocument | undefined {
  const { uid, state, creator = null, created, expires, seconds, bytes, failure, video = {} } = upload;
  if (uid === undefined || !isShown(state)) return undefined;
  const ready = state === "ready";
  return {
    creator,
    meta: {},
    uploadExpiry: rfc3339(expires),
    ...(!ready && { duration: UNKNOWN, maxDurationSeconds: seconds }),
    ...withoutTag(video),
    uid,
    created: rfc3339(created),
    readyToStream: ready,
    // Until there is a file, `bytes` is what was announced or, of a link, the most that it takes.
    ...(ready && { duration: seconds, size: bytes }),
    status: {
      ...(failure !== undefined && { errorReasonCode: failure }),
      ...(isRecord(video["status"]) && video["status"]),
      state: statusOf(state, video["status"]),
    },
  };
}

/** "A value of -1 means the duration is unknown." */
const UNKNOWN = -1;

function isShown(state: UploadState): state is keyof typeof SHOWN {
  return Object.hasOwn(SHOWN, state);
}

/** What an upload that is under way has come to, only Stream can say. */
function statusOf(state: keyof typeof SHOWN, seen: unknown): string {
  const told = isRecord(seen) ? seen["state"] : undefined;
  const underWay = state === "issued" && typeof told === "string" && told !== "ready" && told !== "error";
  return underWay ? told : SHOWN[state];
}

/** Stream's object without the mark by which the gateway knows the video: that is nobody else's business. */
export function withoutTag(video: VideoJson): VideoJson {
  const { meta } = video;
  if (!isRecord(meta)) return video;
  return { ...video, meta: Object.fromEntries(Object.entries(meta).filter(([key]) => key !== SLUICE_KEY)) };
}

function isRecord(value: unknown): value is VideoJson {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
