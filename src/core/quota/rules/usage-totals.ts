import { startOfMonth } from "../../shared/time.ts";
import { type UploadSize, type UploadState, isLive, isLostAndOver } from "../../uploads/rules/upload-state.ts";

/** The totals that a tenant's limits are checked against. Times are seconds since the epoch. */

export interface Usage extends UploadSize {
  readonly uploads: number;
}

/** Always equal to the sum over all uploads. */
export interface Totals {
  /** Live uploads. */
  readonly pending: number;
  /** Ready videos. */
  readonly videos: number;
  /** Seconds of video at Stream, reservations included. */
  readonly storedSeconds: number;
  readonly day: Usage & { readonly start: number };
  readonly month: Usage & { readonly start: number };
}

/** What one creator uses now. */
export type CreatorUsage = Pick<Totals, "pending" | "videos" | "storedSeconds">;

export interface CountedUpload extends UploadSize {
  readonly state: UploadState;
  /** When it was reserved. */
  readonly created: number;
  /** Start of the day that it counts for, if `created` is before it: the clock had gone back. */
  readonly day?: number | null;
  /** The answer to the creation was lost, so that no client has its URL; or that as 0 or 1. */
  readonly lost?: boolean | number;
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

/** The totals at a later time: windows that have ended restart at zero. If the clock has gone back, the later windows stay. */
export function startNewWindows(totals: Totals, now: number): Totals {
  const fresh = emptyTotals(now);
  return {
    ...totals,
    day: totals.day.start >= fresh.day.start ? totals.day : fresh.day,
    month: totals.month.start >= fresh.month.start ? totals.month : fresh.month,
  };
}

/**
 * Subtracts an upload as it was before a change and adds it as it is after. An upload counts for its day and month in any
 * state; its bytes and seconds count unless it expired, failed or was cancelled. A deleted one is no longer stored. A lost
 * creation that has ended counts for nothing, so that an outage of Stream does not use up a quota.
 */
export function applyToTotals(
  totals: Totals,
  before: CountedUpload | undefined,
  after: CountedUpload | undefined,
): Totals {
  return add(add(totals, before, -1), after, 1);
}

/** Decides the day and month that an upload counts for. */
export function countedAt({ day, created }: Pick<CountedUpload, "day" | "created">): number {
  return day ?? created;
}

/** Whether a change leaves all totals as they are, e.g. from one live state to another. */
export function sameTotals(before: CountedUpload, after: CountedUpload): boolean {
  const sameState =
    before.state === after.state
      ? isLostAndOver(before) === isLostAndOver(after)
      : isLive(before.state) && isLive(after.state);
  return sameState && before.bytes === after.bytes && before.seconds === after.seconds;
}

/**
 * Rounds seconds to whole milliseconds. Sums of other fractions drift and would never return to zero. Totals stay far below
 * 2^53 milliseconds, up to which this is exact.
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
  const isOutside = isLostAndOver(upload);
  const addTo = <Window extends Usage & { readonly start: number }>(window: Window): Window =>
    isOutside || countedAt(upload) < window.start
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
