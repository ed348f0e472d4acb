/**
 * Ids of uploads are UUIDs of version 7: they begin with the time at which they were made, so they sort by it, and lists
 * need no index of their own. https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */

/** As they are written here: lists compare and page by them. */
export const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Comes after every id. */
export const MAX_ID = "g";

const TIME_DIGITS = 12;

/** The second (since the epoch) at which an id was made. */
export function timestampOf(id: string): number {
  return Math.floor(Number.parseInt(id.replaceAll("-", "").slice(0, TIME_DIGITS), 16) / 1000);
}

/** What all ids that are made at this second (since the epoch) or later come after, and all earlier ones before. */
export function lowerBoundAt(seconds: number): string {
  const digits = Math.max(0, seconds * 1000)
    .toString(16)
    .padStart(TIME_DIGITS, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}
