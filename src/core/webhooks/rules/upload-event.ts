import { rfc3339 } from "../../shared/time.ts";
import type { Upload, UploadState } from "../../uploads/rules/upload-state.ts";

/**
 * What a tenant's endpoints are told of its uploads. An upload never goes back to an earlier state, so each of these
 * happens to it at most once; or once more, each time that its video is there again after it had disappeared.
 */
export const UPLOAD_EVENT_TYPES = [
  "upload.created",
  "upload.expired",
  "upload.failed",
  "upload.ready",
  "upload.cancelled",
  "upload.deleted",
] as const;

export type UploadEventType = (typeof UPLOAD_EVENT_TYPES)[number];

/** Of the JSON below. Fields may be added to a version; what is there keeps its name and meaning. */
const UPLOAD_EVENT_VERSION = 1;

/** The body of a delivery. `src/http/routes/upload-event.schema.json` is its published schema. Times are RFC 3339. */
export interface UploadEventBody {
  readonly type: UploadEventType;
  readonly version: typeof UPLOAD_EVENT_VERSION;
  /** When it happened. */
  readonly timestamp: string;
  readonly data: {
    readonly tenant: string;
    /** Grows with each event of the upload: one that comes with less than another came before it. */
    readonly sequence: number;
    readonly upload: {
      readonly id: string;
      readonly state: UploadState;
      readonly uid?: string;
      readonly creator?: string;
      readonly bytes: number;
      readonly seconds: number;
      readonly createdAt: string;
      readonly expiresAt: string;
      readonly failure?: string;
    };
  };
}

const TYPE_OF: Readonly<Record<UploadState, UploadEventType | undefined>> = {
  reserved: undefined,
  unknown: undefined,
  issued: "upload.created",
  expired: "upload.expired",
  failed: "upload.failed",
  ready: "upload.ready",
  cancelled: "upload.cancelled",
  deleted: "upload.deleted",
};

/** What is told of an upload that has just come to its state; undefined: nothing. */
export function uploadEvent(tenant: string, upload: Upload, now: number): UploadEventBody | undefined {
  const type = TYPE_OF[upload.state];
  if (!type) return undefined;
  const sequence = upload.restoredCount * UPLOAD_EVENT_TYPES.length + UPLOAD_EVENT_TYPES.indexOf(type) + 1;
  return {
    type,
    version: UPLOAD_EVENT_VERSION,
    timestamp: rfc3339(now),
    data: { tenant, sequence, upload: uploadDocument(upload) },
  };
}

/** An upload as tenants see it, in events and in answers: these fields, whatever else its keeper knows of it. */
export function uploadDocument(upload: Upload): UploadEventBody["data"]["upload"] {
  const { id, state, uid, creator, bytes, seconds, created, expires, failure } = upload;
  return {
    id,
    state,
    ...(uid !== undefined && { uid }),
    ...(creator !== undefined && { creator }),
    bytes,
    seconds,
    createdAt: rfc3339(created),
    expiresAt: rfc3339(expires),
    ...(failure !== undefined && { failure }),
  };
}
