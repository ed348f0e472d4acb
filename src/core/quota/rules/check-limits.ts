import { startOfMonth } from "../../shared/time.ts";
import type { Limits, RateStatus } from "./limits.ts";
import type { UploadSize } from "../../uploads/rules/upload-state.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { DAY_SECONDS, type Totals } from "./usage-totals.ts";

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
export interface CurrentUsage {
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
export const STORED_RETRY_SECONDS = 3600;

/** The limit that one more upload of this size would break, as a refusal; undefined: it may come. */
export function checkLimits(
  limits: Limits,
  standing: CurrentUsage,
  size: UploadSize,
  now: number,
): Problem | undefined {
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
    ["month", startOfMonth(totals.month.start, 1)],
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
