import { FIRST_VIDEO } from "../../stream/rules/parse-video.ts";

/**
 * A sweep compares all videos of an upstream with the ledgers, from the oldest to the newest, one time slice after another.
 * Times are seconds since the epoch.
 */
export interface Sweep extends SweepCounts {
  readonly startedAt: number;
  /** All videos created before this time have been compared. */
  readonly cursor: number;
  /** End of the sweep. Newer videos are left to the next sweep. */
  readonly until: number;
}

/** Results of a sweep. */
export interface SweepCounts {
  /** Lists read from Stream. */
  readonly pages: number;
  readonly videos: number;
  /** Uploads whose state was updated. */
  readonly settled: number;
  /** Videos that were added to a tenant's ledger. */
  readonly imported: number;
  /** Uploads whose video was not listed. Each ledger reads them from Stream, one by one. */
  readonly missing: number;
  /** Videos that were not created by the gateway. */
  readonly unmanaged: number;
  /** Videos that could not be taken in, and were passed by. Absent in states of version 0.1. */
  readonly skipped?: number;
  /** The uids of the last ones, or what is known of them. */
  readonly skippedUids?: readonly string[];
}

const COUNTS = [
  "pages",
  "videos",
  "settled",
  "imported",
  "missing",
  "unmanaged",
  "skipped",
] as const satisfies readonly (keyof SweepCounts)[];

/** @param sign -1 to subtract; what is absent counts as 0 */
export function addCounts(counts: Partial<SweepCounts>, more: Partial<SweepCounts> = {}, sign: 1 | -1 = 1) {
  const sums = COUNTS.map((name) => [name, (counts[name] ?? 0) + sign * (more[name] ?? 0)]);
  return Object.fromEntries(sums) as Readonly<Record<(typeof COUNTS)[number], number>>;
}

/** Enough to see what they have in common. */
const MAX_SKIPPED_UIDS = 20;

/** The reconciliation state of an upstream. */
export interface Reconciliation {
  readonly running?: Sweep;
  readonly finished?: SweepCounts & { readonly startedAt: number; readonly endedAt: number };
  /** The last failure, also after later successes. */
  readonly failure?: { readonly at: number; readonly reason: string };
}

/** Lost notifications are rare and not urgent, and a sweep lists the whole account. */
export const SWEEP_INTERVAL_SECONDS = 6 * 3_600;
/** Age at which videos are compared. The ledgers may not have recorded the result of younger creations. */
export const SETTLING_SECONDS = 600;
/**
 * An upload is recorded before Stream creates its video. So each time slice includes the videos of the seconds after it:
 * without them, its newest uploads would seem to have no video.
 */
export const MARGIN_SECONDS = 120;

export function isSweepDue({ running, finished }: Reconciliation, now: number): boolean {
  // The end is in the future if the clock has gone back.
  return running !== undefined || !finished || Math.abs(now - finished.endedAt) >= SWEEP_INTERVAL_SECONDS;
}

export function beginSweep(now: number): Sweep {
  return { startedAt: now, cursor: FIRST_VIDEO, until: now - SETTLING_SECONDS, ...addCounts({}) };
}

/** The videos created from `from` to `to`, inclusive. */
export interface TimeSlice<Video> {
  readonly from: number;
  readonly to: number;
  /** Includes the videos of the margin after `to`. */
  readonly videos: readonly Video[];
}

/**
 * The time slice for which a page has all videos. The page holds the oldest videos from the cursor on and may end within a
 * second, so that second and the margin before it are left to the next page. If the cursor would not advance, because the
 * page's videos are of almost the same second, the slice has no margin; and if they are all of one second, it ends with that
 * second, though more videos of it may exist. (Stream allows 4 creations a second; a page has 1,000.)
 */
export function completeSlice<Video extends { readonly created?: number }>(
  { cursor, until }: Sweep,
  { videos, last }: { readonly videos: readonly Video[]; readonly last: boolean },
): TimeSlice<Video> {
  const createdAt = ({ created }: Video) => created ?? cursor;
  // Stream sorts by time: the position of the last video does not depend on a wrong time before it.
  const lastComplete = (videos.findLast(({ created }) => created !== undefined)?.created ?? cursor) - 1;
  const withMargin = lastComplete - MARGIN_SECONDS;
  const to = last ? until : Math.min(until, withMargin >= cursor ? withMargin : Math.max(cursor, lastComplete));
  const inSlice = videos.filter((video) => createdAt(video) >= cursor && createdAt(video) <= to + MARGIN_SECONDS);
  return { from: cursor, to, videos: inSlice };
}

/** Whether a video counts for this slice. Videos of the margin count for the next one. */
export function countsFor({ to }: TimeSlice<unknown>, { created }: { readonly created?: number }): boolean {
  return (created ?? to) <= to;
}

/** The sweep after another page. @param counts of the page; `skippedUids` has all that were skipped */
export function advanceSweep(
  sweep: Sweep,
  { to }: TimeSlice<unknown>,
  counts: Omit<SweepCounts, "pages" | "skipped">,
): Sweep {
  const skipped = counts.skippedUids ?? [];
  return {
    ...sweep,
    cursor: to + 1,
    ...addCounts(sweep, { ...counts, pages: 1, skipped: skipped.length }),
    skippedUids: [...(sweep.skippedUids ?? []), ...skipped].slice(-MAX_SKIPPED_UIDS),
  };
}

/** The state after a page: the sweep is running, or finished once its cursor has passed its end. */
export function nextState(sweep: Sweep, before: Reconciliation, now: number): Reconciliation {
  const { cursor, until, ...finished } = sweep;
  const failure = before.failure && { failure: before.failure };
  return cursor > until
    ? { finished: { ...finished, endedAt: now }, ...failure }
    : { running: sweep, ...(before.finished && { finished: before.finished }), ...failure };
}
