import { rfc3339 } from "../../shared/time.ts";
import { type Playback, playbackOf } from "../../stream/rules/playback.ts";
import type { VideoJson } from "../../stream/rules/video-document.ts";
import type { Correlation } from "../../uploads/rules/correlation.ts";
import type { Upload, UploadState, VideoSource } from "../../uploads/rules/upload-state.ts";

/**
 * Types of webhook events: that of an edit, and those of states in their order. An upload never returns to an earlier state, so the
 * latter occur at most once per upload; they may occur again each time a video that had disappeared from Stream is restored.
 */
export const UPLOAD_EVENT_TYPES = [
  "upload.updated",
  "upload.created",
  "upload.expired",
  "upload.failed",
  "upload.ready",
  "upload.cancelled",
  "upload.deleted",
] as const;

export type UploadEventType = (typeof UPLOAD_EVENT_TYPES)[number];

/** Room for the events of all states after an edit, or in a video's life. Numbers that were sent stay: 0.1 has the same rounds. */
const NUMBERS_PER_ROUND = 6;

/** Version of the JSON below. Fields may be added within a version; existing fields keep their name and meaning. */
const UPLOAD_EVENT_VERSION = 1;

/** Body of a delivery. Published schema: `src/http/routes/upload-event.schema.json`. Times are RFC 3339. */
export interface UploadEventBody {
  readonly type: UploadEventType;
  readonly version: typeof UPLOAD_EVENT_VERSION;
  /** When the upload changed. */
  readonly timestamp: string;
  readonly data: {
    readonly tenant: string;
    /** Increases with each event of an upload, since deliveries may arrive out of order. */
    readonly sequence: number;
    readonly upload: {
      readonly id: string;
      readonly state: UploadState;
      readonly uid?: string;
      /** What Stream is told of the person. */
      readonly creator?: string;
      readonly subject?: string;
      readonly namespace?: string;
      readonly bytes: number;
      readonly seconds: number;
      readonly createdAt: string;
      /** Absent: a copy or a clip, which has no upload URL. */
      readonly expiresAt?: string;
      readonly source?: VideoSource;
      readonly clippedFrom?: string;
      readonly failure?: string;
    } & Correlation &
      Playback;
  };
}

const EVENT_TYPE_OF: Readonly<Record<UploadState, UploadEventType | undefined>> = {
  reserved: undefined,
  unknown: undefined,
  issued: "upload.created",
  expired: "upload.expired",
  failed: "upload.failed",
  ready: "upload.ready",
  cancelled: "upload.cancelled",
  deleted: "upload.deleted",
};

/**
 * The event for an upload that has just entered its state, or was edited.
 *
 * @param now seconds since the epoch
 * @returns `undefined` if the state has no event
 */
export function uploadEvent(
  tenant: string,
  upload: DescribedUpload,
  now: number,
  type = EVENT_TYPE_OF[upload.state],
): UploadEventBody | undefined {
  if (!type) return undefined;
  const sequence = upload.rounds * NUMBERS_PER_ROUND + UPLOAD_EVENT_TYPES.indexOf(type);
  return {
    type,
    version: UPLOAD_EVENT_VERSION,
    timestamp: rfc3339(now),
    data: { tenant, sequence, upload: uploadDocument(upload) },
  };
}

/** An upload, with Stream's last description of its video if there is one. */
type DescribedUpload = Upload & { readonly video?: VideoJson };

/** The public fields of an upload, in events and responses; internal fields of the record are left out. */
export function uploadDocument(upload: DescribedUpload): UploadEventBody["data"]["upload"] {
  const { id, state, uid, creator, person, bytes, seconds, created, expires, failure } = upload;
  const { name, meta, grant, reference, idempotencyKey, video, source, clippedFrom } = upload;
  return {
    id,
    state,
    ...(uid !== undefined && { uid }),
    ...(creator !== undefined && { creator }),
    ...(person && { subject: person.subject, namespace: person.namespace }),
    bytes,
    seconds,
    createdAt: rfc3339(created),
    ...(source ? { source } : { expiresAt: rfc3339(expires) }),
    ...(clippedFrom !== undefined && { clippedFrom }),
    ...(failure !== undefined && { failure }),
    ...(name !== undefined && { name }),
    ...(meta && { meta }),
    ...(grant !== undefined && { grant }),
    ...(reference !== undefined && { reference }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(state === "ready" && video && playbackOf(video)),
  };
}
