/**
 * A sweep compares all videos of an upstream with the ledgers, from the oldest to the newest, one span of time after the
 * other. Times are seconds since the epoch.
 */
export interface Sweep extends SweepCounts {
  readonly startedAt: number;
  /** All that was created before this has been compared. */
  readonly cursor: number;
  /** The end: what is newer is left to the next sweep. */
  readonly until: number;
}

/** What a sweep has seen and done. */
export interface SweepCounts {
  /** Lists that Stream was asked for. */
  readonly pages: number;
  readonly videos: number;
  /** Uploads whose state Stream knew better. */
  readonly settled: number;
  /** Videos of tenants whose ledger knew nothing of them. */
  readonly imported: number;
  /** Uploads whose video was not there: Stream is asked about each of them. */
  readonly missing: number;
  /** Videos that were not made here. */
  readonly unmanaged: number;
}

/** How an upstream's reconciliation stands. */
export interface Reconciliation {
  readonly running?: Sweep;
  readonly finished?: SweepCounts & { readonly startedAt: number; readonly endedAt: number };
  /** The last time that it could not go on. */
  readonly failure?: { readonly at: number; readonly reason: string };
}

/** What is lost is rare, and no more urgent than this: a sweep lists the whole account. */
export const SWEEP_INTERVAL_SECONDS = 6 * 3_600;
/** Creations on their way, of which the ledger has not heard yet, are left to the next sweep. */
export const SETTLING_SECONDS = 600;
/**
 * An upload is older than its video, by the time that Stream took to make it. So videos of a little after a span of time are
 * looked at with it, or the newest uploads of the span would seem to have none.
 */
export const MARGIN_SECONDS = 120;
/** 2017-01-01, in seconds since the epoch: Stream is younger. */
const FIRST_VIDEO = 1_483_228_800;

export function isSweepDue({ running, finished }: Reconciliation, now: number): boolean {
  return running !== undefined || finished === undefined || finished.endedAt + SWEEP_INTERVAL_SECONDS <= now;
}

export function beginSweep(now: number): Sweep {
  const counts = { pages: 0, videos: 0, settled: 0, imported: 0, missing: 0, unmanaged: 0 };
  return { startedAt: now, cursor: FIRST_VIDEO, until: now - SETTLING_SECONDS, ...counts };
}

/** A span of time, both ends within, and its videos. */
export interface TimeSlice<Video> {
  readonly from: number;
  readonly to: number;
  /** Those of the margin as well. */
  readonly videos: readonly Video[];
}

/**
 * What a page of the oldest videos from the cursor on tells for certain. It may have been cut off within a second, which is
 * left to the next page, as is the margin before. Where so many videos are of one moment that this would lead nowhere, the
 * margin is given up, and at last that second, which then may have more videos than are seen: Stream allows 4 creations a
 * second, and a page has 1,000.
 */
export function completeSlice<Video extends { readonly created?: number }>(
  { cursor, until }: Sweep,
  { videos, last }: { readonly videos: readonly Video[]; readonly last: boolean },
): TimeSlice<Video> {
  const createdAt = ({ created }: Video) => created ?? cursor;
  const complete = videos.reduce((time, video) => Math.max(time, createdAt(video)), 0) - 1;
  const certain = complete - MARGIN_SECONDS >= cursor ? complete - MARGIN_SECONDS : Math.max(cursor, complete);
  const to = last ? until : Math.min(until, certain);
  const seen = videos.filter((video) => createdAt(video) >= cursor && createdAt(video) <= to + MARGIN_SECONDS);
  return { from: cursor, to, videos: seen };
}

/** Whether a video of a stretch is counted with it: those of the margin are counted with the next. */
export function countsFor({ to }: TimeSlice<unknown>, { created }: { readonly created?: number }): boolean {
  return (created ?? to) <= to;
}

/** The sweep after one more page. */
export function advanceSweep(sweep: Sweep, { to }: TimeSlice<unknown>, found: Omit<SweepCounts, "pages">): Sweep {
  return {
    ...sweep,
    cursor: to + 1,
    pages: sweep.pages + 1,
    videos: sweep.videos + found.videos,
    settled: sweep.settled + found.settled,
    imported: sweep.imported + found.imported,
    missing: sweep.missing + found.missing,
    unmanaged: sweep.unmanaged + found.unmanaged,
  };
}

/** A sweep that has come to its end is no longer running. */
export function nextState(sweep: Sweep, before: Reconciliation, now: number): Reconciliation {
  const { cursor, until, ...finished } = sweep;
  const failure = before.failure && { failure: before.failure };
  return cursor > until
    ? { finished: { ...finished, endedAt: now }, ...failure }
    : { running: sweep, ...(before.finished && { finished: before.finished }), ...failure };
}
