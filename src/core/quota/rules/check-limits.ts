import { startOfMonth } from "../../shared/time.ts";
import type { Limits, RateStatus } from "./limits.ts";
import type { UploadSize } from "../../uploads/rules/upload-state.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { DAY_SECONDS, type Totals } from "./usage-totals.ts";

/** A creation of the last minute, whatever its state. */
export interface RecentCreation {
  readonly id: string;
  readonly creator: string | null;
  readonly created: number;
}

/** A limit of creations per minute, and its usage. */
export interface RateUse {
  readonly name: string;
  readonly allowed: number;
  readonly used: number;
  readonly resetSeconds: number;
}

/** The usage that a creation is checked against. */
export interface CurrentUsage {
  readonly totals: Totals;
  /** Number of the creator's live uploads. */
  readonly creatorPending: number;
  /** The rate limits that apply to the creation. */
  readonly rates: readonly RateUse[];
  /** The earliest expiry of a live upload's URL. A function, since only a pending limit that is reached needs it. */
  readonly nextExpiry: () => number | undefined;
}

export const RATE_WINDOW_SECONDS = 60;

/** `Retry-After` for `storedSeconds`: when stored videos are deleted is not known. */
export const STORED_RETRY_SECONDS = 3600;

/** @returns the first limit that one more upload of this size would exceed, as a problem */
export function checkLimits(limits: Limits, usage: CurrentUsage, size: UploadSize, now: number): Problem | undefined {
  const { totals, creatorPending, rates } = usage;
  const { quota = {} } = limits;
  type RetryAfter = number | "next expiry";
  const checks: [name: string, allowed: number | undefined, used: number, requested: number, retryAfter: RetryAfter][] =
    [
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
  for (const [name, allowed, used, requested, retryAfter] of checks) {
    if (allowed === undefined || used + requested <= allowed) continue;
    const seconds = retryAfter === "next expiry" ? (usage.nextExpiry() ?? now) - now : retryAfter;
    const rate = rateStatus(rates, 0);
    return problem(
      "limit_exceeded",
      `The limit ${name} is reached: ${used} of ${allowed} used, ${requested} more requested.`,
      {
        limit: { name, used, allowed },
        retryAfterSeconds: Math.max(1, Math.ceil(seconds)),
        ...(rate && { rate }),
      },
    );
  }
  return undefined;
}

/** The status of the rate limit with the fewest remaining creations, after `more` further creations. */
export function rateStatus(rates: readonly RateUse[], more: 0 | 1): RateStatus | undefined {
  const all = rates.map(({ allowed, used, resetSeconds }): RateStatus => ({
    allowed,
    remaining: Math.max(0, allowed - used - more),
    resetSeconds,
  }));
  return all.toSorted((a, b) => a.remaining - b.remaining)[0];
}

/**
 * The rate limits that apply to a creation, and their usage. A creation without a creator counts for the tenant's limit only.
 *
 * @param recent creations of the last minute, oldest first
 */
export function rateUses(
  rate: NonNullable<Limits["rate"]>,
  creator: string | undefined,
  recent: readonly RecentCreation[],
  now: number,
): RateUse[] {
  const limit = (name: string, allowed: number, counted: readonly RecentCreation[]): RateUse => {
    // The creation that has to leave the window before one more is allowed.
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
