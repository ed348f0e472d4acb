import { TENANT_ID } from "../../shared/tenant.ts";
import { timestampOf } from "../../uploads/rules/upload-id.ts";

/**
 * The upload of a video, as the `sluice` key of its `meta` names it: `<tenant>/<upload id>/<mac>`. Anyone who may edit the
 * account's videos can write or copy one.
 */
export interface VideoTag {
  readonly tenant: string;
  readonly uploadId: string;
  /** Absent in the tags of version 0.1. */
  readonly mac?: string;
}

/** A tag whose `mac` was verified. A wrong one counts as absent: it may be of a key that was removed from the ring. */
export interface VerifiedTag extends VideoTag {
  readonly signed: boolean;
}

/** The gateway has never written a tag of another form. */
const TAG = /^([^/]+)\/([^/]+)(?:\/([\w-]{16}))?$/;

/** @param value of the `sluice` key. @returns `undefined` if the gateway cannot have written it */
export function parseTag(value: unknown): VideoTag | undefined {
  const [, tenant = "", uploadId = "", mac] = (typeof value === "string" && TAG.exec(value)) || [];
  return TENANT_ID.test(tenant) ? { tenant, uploadId, ...(mac !== undefined && { mac }) } : undefined;
}

/** Clocks differ, and Stream may be slow (assumed: less so). A tag that is copied to a video of another time proves nothing. */
const MAX_DISTANCE_SECONDS = 600;

/** Whether a video may be the one of an upload of this time. Seconds since the epoch; a video without a time may not. */
export function isOfTime(created: number | undefined, time: number): boolean {
  return created !== undefined && Math.abs(created - time) <= MAX_DISTANCE_SECONDS;
}

/** Whether the gateway has created the video for the upload that its tag names. */
export function provesUpload({ tag, created }: { readonly tag?: VerifiedTag; readonly created?: number }): boolean {
  return Boolean(tag?.signed && isOfTime(created, timestampOf(tag.uploadId)));
}
