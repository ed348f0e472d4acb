import { STREAM_DEFAULT_MAX_DURATION_SECONDS } from "../../core/policy/rules/metadata-keys.ts";
import type { ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { UploadProgress } from "../../core/uploads/rules/upload-state.ts";
import { UPLOAD_ID } from "../../core/uploads/rules/upload-id.ts";
import type { VideoJson } from "../../core/stream/rules/video-document.ts";
import type { StreamVideo } from "../../core/stream/rules/video.ts";
import { type NewUpload, type UploadRow, KEEP_FINISHED_SECONDS } from "./schema.ts";
import type { StoredUpload } from "../../adapters/durable-objects/ledger-rpc.ts";

/** Rows of a ledger, from and to what they mean. Times are seconds since the epoch. */

/** Stream may be a little late in letting a URL die, and its clock may be a little slow. */
const DUE_AFTER_EXPIRY_SECONDS = 60;

export function reservedUpload(request: ReservationRequest, now: number): NewUpload {
  const { id, creator, idempotency, upstream, bytes, seconds, expires } = request;
  return {
    id,
    state: "reserved",
    ...(creator !== undefined && { creator }),
    ...(idempotency && { idempotency: idempotency.key, fingerprint: idempotency.fingerprint }),
    upstream,
    bytes,
    seconds,
    created: now,
    expires,
    due: expires + DUE_AFTER_EXPIRY_SECONDS,
  };
}

/**
 * An upload of which only Stream knows. One that failed counts for nothing, and one that nobody has uploaded to for as long
 * as finished ones are kept may have been here before: undefined.
 */
export function importedUpload(upstream: string, video: StreamVideo, now: number): NewUpload | undefined {
  const { tag, report, creator = null, created = now, expires = now } = video;
  // Whoever may edit the account's videos may write a tag, and under another id no list would show the upload.
  if (!tag || !UPLOAD_ID.test(tag.uploadId) || report.kind === "failed") return undefined;
  if (report.kind === "pending" && created < now - KEEP_FINISHED_SECONDS) return undefined;
  const ready = report.kind === "ready";
  return {
    id: tag.uploadId,
    state: ready ? "ready" : "issued",
    creator,
    uid: report.uid,
    upstream,
    bytes: (ready ? report.bytes : undefined) ?? 0,
    seconds: (ready ? report.seconds : undefined) ?? video.maxDurationSeconds ?? STREAM_DEFAULT_MAX_DURATION_SECONDS,
    created,
    expires,
    due: ready ? null : Math.max(expires, now) + DUE_AFTER_EXPIRY_SECONDS,
    // It may have been here before, and its tenant been told of it: what is told now comes after that.
    returns: 1,
    bytes_measured: Number(ready && report.bytes !== undefined),
    seconds_measured: Number(ready && report.seconds !== undefined),
    video: shortJson(video.json),
  };
}

export function storedUpload(row: UploadRow): StoredUpload {
  const { id, state, uid, creator, bytes, seconds, created, expires, upstream, failure, returns, video } = row;
  return {
    id,
    state,
    ...(uid !== null && { uid }),
    ...(creator !== null && { creator }),
    bytes,
    seconds,
    created,
    expires,
    upstream,
    ...(failure !== null && { failure }),
    returns,
    unwanted: row.unwanted !== 0,
    ...(video !== null && { video }),
  };
}

export function progressOf(row: UploadRow): UploadProgress {
  const { state, bytes, seconds, uid, failure, returns } = row;
  return {
    state,
    bytes,
    seconds,
    returns,
    unwanted: row.unwanted !== 0,
    measured: { bytes: row.bytes_measured !== 0, seconds: row.seconds_measured !== 0 },
    ...(uid !== null && { uid }),
    ...(failure !== null && { failure }),
  };
}

export function progressColumns({ measured, unwanted, uid, failure, ...progress }: UploadProgress) {
  return {
    ...progress,
    uid: uid ?? null,
    failure: failure ?? null,
    unwanted: Number(unwanted),
    bytes_measured: Number(measured.bytes),
    seconds_measured: Number(measured.seconds),
  };
}

/** Stream's objects have one or two KB; `meta` may make one larger. */
const MAX_VIDEO_CHARACTERS = 16_384;

/** Null: too long to be kept. */
export function shortJson(json: VideoJson): string | null {
  const text = JSON.stringify(json);
  return text.length <= MAX_VIDEO_CHARACTERS ? text : null;
}

/** What may change of an upload. */
export type UploadChange = Partial<
  Pick<UploadRow, "location" | "idempotency" | "due" | "video"> & ReturnType<typeof progressColumns>
>;
