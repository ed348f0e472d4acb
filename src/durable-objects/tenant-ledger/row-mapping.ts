import type { StoredComparison, StoredUpload } from "../../adapters/durable-objects/ledger-rpc.ts";
import { type Owner, ownerOf, subjectOf } from "../../core/auth/rules/person-key.ts";
import { STREAM_DEFAULT_MAX_DURATION_SECONDS } from "../../core/quota/rules/upload-bounds.ts";
import type { ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { Comparison } from "../../core/reconciliation/rules/comparison.ts";
import { isEarlier, rfc3339 } from "../../core/shared/time.ts";
import { type VideoJson, metaOf } from "../../core/stream/rules/video-document.ts";
import type { StreamVideo, VerifiedVideo } from "../../core/stream/rules/video.ts";
import { provesUpload } from "../../core/stream/rules/video-tag.ts";
import { DUE_AFTER_EXPIRY_SECONDS, type DueUpload } from "../../core/uploads/rules/due-upload.ts";
import { type Correlation, describeMetadata, idempotencyKeyIn } from "../../core/uploads/rules/correlation.ts";
import { KEEP_FINISHED_SECONDS } from "../../core/uploads/rules/upload-record.ts";
import type { Upload, UploadProgress } from "../../core/uploads/rules/upload-state.ts";
import type { NewUpload, UploadRow } from "./schema.ts";

/**
 * Maps rows of `uploads` to the types of the core and of RPC, and back. The column `unwanted` is `deletionRequested`,
 * `returns` is `rounds`, and `deletions` is `failedDeletions`. Times are seconds since the epoch.
 */

/** The keys become the columns of the INSERT, so absent values are left out. */
export function reservedUpload(request: ReservationRequest, now: number): NewUpload {
  const { id, creator, label, idempotency, upstream, bytes, seconds, expires, name, meta, grant, reference } = request;
  const { source, clippedFrom } = request;
  return {
    id,
    state: "reserved",
    ...(creator !== undefined && { creator }),
    ...(label !== undefined && { label }),
    ...(idempotency && { idempotency: idempotency.key, fingerprint: idempotency.fingerprint }),
    ...(grant !== undefined && { grant_id: grant }),
    ...(reference !== undefined && { reference }),
    ...(name !== undefined && { name }),
    ...(meta !== undefined && { meta }),
    ...(source && { source }),
    ...(clippedFrom !== undefined && { clipped_from: clippedFrom }),
    upstream,
    bytes,
    seconds,
    created: now,
    expires,
    due: expires + DUE_AFTER_EXPIRY_SECONDS,
  };
}

/**
 * An upload for a video that is at Stream but not in the ledger. Stream does not say whose it is: what it is told of a person
 * decides nothing.
 *
 * @returns undefined if the gateway did not create the video, if it failed (it counts for nothing), or if it is pending for
 *   longer than the retention of finished uploads (the ledger may have had it before)
 */
export function importedUpload(upstream: string, video: VerifiedVideo, now: number): NewUpload | undefined {
  const { tag, report, creator: label = null, created = now, source = null, expires = now } = video;
  if (!tag || !provesUpload(video) || report.kind === "failed") return undefined;
  if (report.kind === "pending" && created < now - KEEP_FINISHED_SECONDS) return undefined;
  const ready = report.kind === "ready";
  const isCopy = source === "copy";
  const { name = null, meta } = describeMetadata(Object.entries(metaOf(video.json)));
  return {
    id: tag.uploadId,
    state: ready ? "ready" : "issued",
    label,
    name,
    meta: meta ? JSON.stringify(meta) : null,
    uid: report.uid,
    upstream,
    bytes: (ready ? report.bytes : undefined) ?? 0,
    seconds: (ready ? report.seconds : undefined) ?? (isCopy ? 0 : reservedSeconds(video)),
    // Stream's clock may be ahead: the current month must not end before it does here.
    created: Math.min(created, now),
    expires,
    source,
    clipped_from: source === "clip" ? String(video.json["clippedFrom"]) : null,
    due: ready ? null : Math.max(expires, now) + DUE_AFTER_EXPIRY_SECONDS,
    // The ledger may have had it before: its events then need higher sequence numbers than those already sent.
    returns: 1,
    // What was decided about a copy is lost with the ledger: as a reservation it would be judged by, any number could delete it.
    bytes_measured: Number(isCopy || (ready && report.bytes !== undefined)),
    seconds_measured: Number(isCopy || (ready && report.seconds !== undefined)),
    video: shortJson(video.json),
  };
}

function reservedSeconds({ maxDurationSeconds = STREAM_DEFAULT_MAX_DURATION_SECONDS }: StreamVideo): number {
  return maxDurationSeconds;
}

/** A stored `modified` that is further ahead of the clock is a mistake: nothing newer would ever be stored. */
const MAX_AHEAD_SECONDS = 600;

/** Whether an upload's stored description of its video is newer: Stream dates each change as `modified` (assumed). */
export function isOlder({ modified }: VideoJson, { video }: UploadRow, now: number): boolean {
  const stored = video === null ? undefined : (JSON.parse(video) as VideoJson)["modified"];
  if (typeof modified !== "string" || typeof stored !== "string") return false;
  return isEarlier(modified, stored) && isEarlier(stored, rfc3339(now + MAX_AHEAD_SECONDS));
}

/** The columns for what Stream describes: after an edit, lists and events say the same. */
export function describedColumns(row: UploadRow, video: StreamVideo): UploadChange {
  const { json, report, maxDurationSeconds: seconds, expires } = video;
  const { name = null, meta } = describeMetadata(Object.entries(metaOf(json)));
  const label = video.creator ?? "";
  return {
    video: shortJson(json),
    ...("meta" in json && { name, meta: meta ? JSON.stringify(meta) : null }),
    ...("creator" in json && { label: label === subjectOf(row.creator ?? "") ? null : label }),
    // Stream knows neither of a copy or a clip.
    ...(report.kind === "pending" &&
      row.source === null && {
        ...(seconds !== undefined && { seconds }),
        ...(expires !== undefined && { expires }),
      }),
  };
}

function fieldsOf(row: UploadRow): Omit<Upload, keyof Owner> {
  const { id, state, uid, bytes, seconds, created, expires, failure, source, clipped_from } = row;
  return {
    id,
    state,
    ...(uid !== null && { uid }),
    bytes,
    seconds,
    created,
    expires,
    ...(source !== null && { source }),
    ...(clipped_from !== null && { clippedFrom: clipped_from }),
    ...(failure !== null && { failure }),
    rounds: row.returns,
    ...correlationOf(row),
  };
}

function correlationOf({ name, meta, grant_id, reference, idempotency, fingerprint }: UploadRow): Correlation {
  const idempotencyKey = idempotency === null ? undefined : idempotencyKeyIn(idempotency, fingerprint);
  return {
    ...(name !== null && { name }),
    ...(meta !== null && { meta: JSON.parse(meta) as Record<string, string> }),
    ...(grant_id !== null && { grant: grant_id }),
    ...(reference !== null && { reference }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** With Stream's last description of its video. */
export function describedUpload(row: UploadRow, tenant: string): Upload & { readonly video?: VideoJson } {
  return {
    ...fieldsOf(row),
    ...ownerOf(row, tenant),
    ...(row.video !== null && { video: JSON.parse(row.video) as VideoJson }),
  };
}

export function storedUpload(row: UploadRow): StoredUpload {
  const { rounds, ...upload } = fieldsOf(row);
  const { creator: key, label } = row;
  return {
    ...upload,
    ...(key !== null && { [subjectOf(key) === key ? "creator" : "person"]: key }),
    ...(label !== null && { label }),
    upstream: row.upstream,
    returns: rounds,
    unwanted: row.unwanted !== 0,
    ...(row.unwanted !== 0 && row.due !== null && row.uid !== null && { deleting: true }),
    ...(row.video !== null && { video: row.video }),
  };
}

export function storedComparison({ imported, ...rest }: Comparison): StoredComparison {
  return { ...rest, adopted: imported };
}

export function dueUpload(row: UploadRow & { readonly uid: string }): DueUpload {
  const { id, state, uid, location, upstream, bytes, expires, deletions } = row;
  const deletionRequested = row.unwanted !== 0;
  const hasUrl = row.source === null;
  return { id, state, uid, location, upstream, hasUrl, bytes, expires, deletionRequested, failedDeletions: deletions };
}

export function progressOf(row: UploadRow): UploadProgress {
  const { state, bytes, seconds, uid, failure, source } = row;
  return {
    state,
    bytes,
    seconds,
    rounds: row.returns,
    deletionRequested: row.unwanted !== 0,
    lost: row.lost !== 0,
    measured: { bytes: row.bytes_measured !== 0, seconds: row.seconds_measured !== 0 },
    ...(source !== null && { source }),
    ...(uid !== null && { uid }),
    ...(failure !== null && { failure }),
  };
}

export function progressColumns(progress: UploadProgress) {
  const { state, bytes, seconds, uid, failure, measured } = progress;
  return {
    state,
    bytes,
    seconds,
    uid: uid ?? null,
    failure: failure ?? null,
    unwanted: Number(progress.deletionRequested),
    lost: Number(progress.lost),
    returns: progress.rounds,
    bytes_measured: Number(measured.bytes),
    seconds_measured: Number(measured.seconds),
  };
}

/** Stream's video objects have 1 to 2 KB; a large `meta` can exceed this. */
const MAX_VIDEO_CHARACTERS = 16_384;

/** Leaves out a large `meta`, without which players and lists do. @returns null if the text is still too long to be stored */
export function shortJson(json: VideoJson): string | null {
  const { meta: _, ...rest } = json;
  return [json, rest].map((kept) => JSON.stringify(kept)).find((text) => text.length <= MAX_VIDEO_CHARACTERS) ?? null;
}

/** The columns that can change after the insert. */
export type UploadChange = Partial<
  Pick<UploadRow, "location" | "idempotency" | "due" | "video" | "deletions"> &
    Pick<UploadRow, "name" | "meta" | "label" | "expires" | "day" | "editing"> &
    ReturnType<typeof progressColumns>
>;
