import type { Limits, RateStatus } from "./limits.ts";
import { type Problem, problem } from "../../shared/problem.ts";
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

const DAY_SECONDS = 24 * 60 * 60;

export function dayStart(now: number): number {
  return now - (now % DAY_SECONDS);
}

export function monthStart(now: number): number {
  const date = new Date(now * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1000;
}

function monthEnd(now: number): number {
  const date = new Date(now * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 1000;
}

export function emptyTotals(now: number): Totals {
  const nothing = { uploads: 0, bytes: 0, seconds: 0 };
  return {
    pending: 0,
    videos: 0,
    storedSeconds: 0,
    day: { start: dayStart(now), ...nothing },
    month: { start: monthStart(now), ...nothing },
  };
}

/** The totals at a later time: windows that are over begin again with nothing. */
export function rollOver(totals: Totals, now: number): Totals {
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
export function count(totals: Totals, before: CountedUpload | undefined, after: CountedUpload | undefined): Totals {
  return add(add(totals, before, -1), after, 1);
}

/** Whether a change leaves all totals as they are: one live state, say, has become another. */
export function countsAlike(before: CountedUpload, after: CountedUpload): boolean {
  const sameState = before.state === after.state || (isLive(before.state) && isLive(after.state));
  return sameState && before.bytes === after.bytes && before.seconds === after.seconds;
}

/**
 * Seconds to whole milliseconds, as what is measured is counted: sums of other fractions drift, and what they leave over would
 * never go. A total is far below the 2^53 milliseconds up to which this is exact.
 */
export function wholeMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function add(totals: Totals, upload: CountedUpload | undefined, sign: 1 | -1): Totals {
  if (!upload) return totals;
  const live = isLive(upload.state);
  const stored = live || upload.state === "ready";
  const counts = stored || upload.state === "deleted";
  const bytes = counts ? upload.bytes : 0;
  const seconds = counts ? wholeMilliseconds(upload.seconds) : 0;
  const addTo = <Window extends Usage & { readonly start: number }>(window: Window): Window =>
    upload.created < window.start
      ? window
      : {
          ...window,
          uploads: window.uploads + sign,
          bytes: window.bytes + sign * bytes,
          seconds: wholeMilliseconds(window.seconds + sign * seconds),
        };
  return {
    pending: totals.pending + (live ? sign : 0),
    videos: totals.videos + (upload.state === "ready" ? sign : 0),
    storedSeconds: wholeMilliseconds(totals.storedSeconds + (stored ? sign * seconds : 0)),
    day: addTo(totals.day),
    month: addTo(totals.month),
  };
}

/** A creation of the last minute, whatever has become of it. */
export interface RecentCreation {
  readonly id: string;
  readonly creator: string | null;
  readonly created: number;
}

/** A limit of creations per minute, and how many there were. */
export interface RateUse {
  readonly name: string;
  readonly allowed: number;
  readonly used: number;
  readonly resetSeconds: number;
}

/** What a creation is held against, besides the totals. */
export interface Standing {
  readonly totals: Totals;
  /** Live uploads of the creator. */
  readonly creatorPending: number;
  /** Of the limits of a minute that there are for the creation. */
  readonly rates: readonly RateUse[];
  /** When the first of the live uploads' URLs dies; asked for only where there are too many of them. */
  readonly nextExpiry: () => number | undefined;
}

export const RATE_WINDOW_SECONDS = 60;
/** Stored videos go when somebody deletes them; nobody knows when. */
const STORED_RETRY_SECONDS = 3_600;

/** The limit that one more upload of this size would break, as a refusal; undefined: it may come. */
export function checkLimits(limits: Limits, standing: Standing, size: UploadSize, now: number): Problem | undefined {
  const { totals, creatorPending, rates } = standing;
  const { quota = {} } = limits;
  type RetryAfter = number | "next expiry";
  const checks: [name: string, allowed: number | undefined, used: number, asked: number, retryAfter: RetryAfter][] = [
    ["pending", limits.pending, totals.pending, 1, "next expiry"],
    ["pendingPerCreator", limits.pendingPerCreator, creatorPending, 1, "next expiry"],
    ["storedSeconds", limits.storedSeconds, totals.storedSeconds, size.seconds, STORED_RETRY_SECONDS],
  ];
  for (const { name, allowed, used, resetSeconds } of rates) checks.push([name, allowed, used, 1, resetSeconds]);
  for (const [window, end] of [
    ["day", totals.day.start + DAY_SECONDS],
    ["month", monthEnd(totals.month.start)],
  ] as const) {
    const [allowed, used] = [quota[window], totals[window]];
    if (!allowed) continue;
    checks.push(
      [`quota.${window}.uploads`, allowed.uploads, used.uploads, 1, end - now],
      [`quota.${window}.bytes`, allowed.bytes, used.bytes, size.bytes, end - now],
      [`quota.${window}.seconds`, allowed.seconds, used.seconds, size.seconds, end - now],
    );
  }
  for (const [name, allowed, used, asked, retryAfter] of checks) {
    if (allowed === undefined || used + asked <= allowed) continue;
    const seconds = retryAfter === "next expiry" ? (standing.nextExpiry() ?? now) - now : retryAfter;
    const rate = rateStatus(rates, 0);
    return problem(
      "limit_exceeded",
      `The limit ${name} is reached: ${used} of ${allowed} used, ${asked} more asked for.`,
      {
        limit: { name, used, allowed },
        retryAfterSeconds: Math.max(1, Math.ceil(seconds)),
        ...(rate && { rate }),
      },
    );
  }
  return undefined;
}

/** How the limit of a minute that leaves the least stands, after so many more creations. */
export function rateStatus(rates: readonly RateUse[], more: 0 | 1): RateStatus | undefined {
  const all = rates.map(({ allowed, used, resetSeconds }): RateStatus => ({
    allowed,
    remaining: Math.max(0, allowed - used - more),
    resetSeconds,
  }));
  return all.toSorted((a, b) => a.remaining - b.remaining)[0];
}

/**
 * The limits of a minute that there are for a creation, and how they stand.
 *
 * @param creator whose creation it is; undefined: nobody's
 * @param recent creations of the last minute, the oldest first
 */
export function rateUses(
  rate: NonNullable<Limits["rate"]>,
  creator: string | undefined,
  recent: readonly RecentCreation[],
  now: number,
): RateUse[] {
  const limit = (name: string, allowed: number, counted: readonly RecentCreation[]): RateUse => {
    // The oldest that has to go before there is room for one more.
    const next = counted[Math.max(0, counted.length - allowed)]?.created ?? now;
    return { name, allowed, used: counted.length, resetSeconds: next + RATE_WINDOW_SECONDS - now };
  };
  const all = [];
  if (rate.tenant !== undefined) all.push(limit("rate.tenant", rate.tenant, recent));
  if (rate.creator !== undefined && creator !== undefined) {
    const ofCreator = recent.filter((one) => one.creator === creator);
    all.push(limit("rate.creator", rate.creator, ofCreator));
  }
  return all;
}
