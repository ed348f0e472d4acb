import { startOfMonth } from "../../shared/time.ts";
import { type UploadSize, type UploadState, isLive } from "../../uploads/rules/upload-state.ts";

/** The rules of a tenant's ledger: what counts, and when a creation is one too many. Times are seconds since the epoch. */

export interface Usage extends UploadSize {
  readonly uploads: number;
}

/** What is counted: at all times equal to the sum over all uploads of what each counts for. */
export interface Totals {
  /** Live uploads. */
  readonly pending: number;
  /** Ready videos. */
  readonly videos: number;
  /** Of video at Stream, reservations included. */
  readonly storedSeconds: number;
  readonly day: Usage & { readonly start: number };
  readonly month: Usage & { readonly start: number };
}

export interface CountedUpload extends UploadSize {
  readonly state: UploadState;
  /** When it was reserved: its day and month. */
  readonly created: number;
}

export const DAY_SECONDS = 24 * 60 * 60;

export function dayStart(now: number): number {
  return now - (now % DAY_SECONDS);
}

export function emptyTotals(now: number): Totals {
  const nothing = { uploads: 0, bytes: 0, seconds: 0 };
  return {
    pending: 0,
    videos: 0,
    storedSeconds: 0,
    day: { start: dayStart(now), ...nothing },
    month: { start: startOfMonth(now), ...nothing },
  };
}

/** The totals at a later time: windows that are over begin again with nothing. */
export function startNewWindows(totals: Totals, now: number): Totals {
  const fresh = emptyTotals(now);
  return {
    ...totals,
    day: totals.day.start >= fresh.day.start ? totals.day : fresh.day,
    month: totals.month.start >= fresh.month.start ? totals.month : fresh.month,
  };
}

/**
 * Counts a change of one upload: what it counted for before is taken away, what it counts for now is added. An upload
 * counts as one of its day and month whatever becomes of it; its bytes and seconds too, unless nothing came of it. What has
 * been deleted is no longer stored.
 */
export function applyToTotals(
  totals: Totals,
  before: CountedUpload | undefined,
  after: CountedUpload | undefined,
): Totals {
  return add(add(totals, before, -1), after, 1);
}

/** Whether a change leaves all totals as they are: one live state, say, has become another. */
export function sameTotals(before: CountedUpload, after: CountedUpload): boolean {
  const sameState = before.state === after.state || (isLive(before.state) && isLive(after.state));
  return sameState && before.bytes === after.bytes && before.seconds === after.seconds;
}

/**
 * Seconds to whole milliseconds, as what is measured is counted: sums of other fractions drift, and what they leave over would
 * never go. A total is far below the 2^53 milliseconds up to which this is exact.
 */
export function roundToMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function add(totals: Totals, upload: CountedUpload | undefined, sign: 1 | -1): Totals {
  if (!upload) return totals;
  const live = isLive(upload.state);
  const stored = live || upload.state === "ready";
  const counts = stored || upload.state === "deleted";
  const bytes = counts ? upload.bytes : 0;
  const seconds = counts ? roundToMilliseconds(upload.seconds) : 0;
  const addTo = <Window extends Usage & { readonly start: number }>(window: Window): Window =>
    upload.created < window.start
      ? window
      : {
          ...window,
          uploads: window.uploads + sign,
          bytes: window.bytes + sign * bytes,
          seconds: roundToMilliseconds(window.seconds + sign * seconds),
        };
  return {
    pending: totals.pending + (live ? sign : 0),
    videos: totals.videos + (upload.state === "ready" ? sign : 0),
    storedSeconds: roundToMilliseconds(totals.storedSeconds + (stored ? sign * seconds : 0)),
    day: addTo(totals.day),
    month: addTo(totals.month),
  };
}
