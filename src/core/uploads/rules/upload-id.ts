/**
 * Upload ids are UUIDs of version 7. They start with their creation time, so they sort by time and lists need no separate
 * index. https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */

/** The canonical form: lists compare ids as text. */
export const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Sorts after every id. */
export const MAX_ID = "g";

const TIME_DIGITS = 12;

/** The creation time of an id, in seconds since the epoch. */
export function timestampOf(id: string): number {
  return Math.floor(Number.parseInt(id.replaceAll("-", "").slice(0, TIME_DIGITS), 16) / 1000);
}

/** Sorts after all ids created before this second (since the epoch), and before all others. */
export function lowerBoundAt(seconds: number): string {
  const digits = Math.max(0, seconds * 1000)
    .toString(16)
    .padStart(TIME_DIGITS, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}
