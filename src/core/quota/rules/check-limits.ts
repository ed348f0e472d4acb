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
  readonly name: "rate.tenant" | "rate.creator";
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
  /** When a live upload, of the tenant or of the creator, may be over. A function, since only a pending limit that is reached needs it. */
  readonly nextRelease: (of: "tenant" | "creator") => number | undefined;
}

export const RATE_WINDOW_SECONDS = 60;

/** `Retry-After` for `storedSeconds`: when stored videos are deleted is not known. */
export const STORED_RETRY_SECONDS = 3600;

/** One more upload, as far as limits count it. */
export interface RequestedUpload extends UploadSize {
  readonly creator?: string | undefined;
}

type Window = "day" | "month";

/** The path of a limit in the tenant's document, as problems and the dry run name it. */
export type LimitName =
  | "pending"
  | "pendingPerCreator"
  | "storedSeconds"
  | "rate.tenant"
  | "rate.creator"
  | `quota.${Window}.${"uploads" | "bytes" | "seconds"}`;

/** A limit and what an upload requests of it. */
export interface LimitRequest {
  readonly name: LimitName;
  readonly allowed: number;
  readonly requested: number;
  readonly unit: "uploads" | "bytes" | "seconds";
}

/** A limit, how much of it is used, and whether an upload fits into the rest. */
export interface LimitUse extends Omit<LimitRequest, "unit"> {
  readonly used: number;
  readonly admitted: boolean;
}

/** The limits that count an upload, in the order in which they are checked. Those of a creator count only uploads with one. */
export function limitRequests(limits: Limits, { bytes, seconds, creator }: RequestedUpload): LimitRequest[] {
  const { rate = {}, quota = {} } = limits;
  const ofCreator = <T>(limit: T): T | undefined => (creator === undefined ? undefined : limit);
  const all: LimitRequest[] = [];
  const add = (name: LimitName, allowed: number | undefined, requested: number, unit: LimitRequest["unit"]) => {
    if (allowed !== undefined) all.push({ name, allowed, requested, unit });
  };
  add("pending", limits.pending, 1, "uploads");
  add("pendingPerCreator", ofCreator(limits.pendingPerCreator), 1, "uploads");
  add("storedSeconds", limits.storedSeconds, seconds, "seconds");
  add("rate.tenant", rate.tenant, 1, "uploads");
  add("rate.creator", ofCreator(rate.creator), 1, "uploads");
  for (const window of ["day", "month"] as const) {
    const allowed = quota[window];
    add(`quota.${window}.uploads`, allowed?.uploads, 1, "uploads");
    add(`quota.${window}.bytes`, allowed?.bytes, bytes, "bytes");
    add(`quota.${window}.seconds`, allowed?.seconds, seconds, "seconds");
  }
  return all;
}

/** What is used of each limit that counts the upload, and whether it fits. */
export function limitUses(limits: Limits, usage: CurrentUsage, upload: RequestedUpload): LimitUse[] {
  return limitRequests(limits, upload).map(({ name, allowed, requested }) => {
    const used = usedOf(name, usage);
    return { name, used, allowed, requested, admitted: used + requested <= allowed };
  });
}

/** @returns the first limit that one more upload of this size would exceed, as a problem */
export function checkLimits(
  limits: Limits,
  usage: CurrentUsage,
  upload: RequestedUpload,
  now: number,
): Problem | undefined {
  const reached = limitUses(limits, usage, upload).find(({ admitted }) => !admitted);
  if (!reached) return undefined;
  const { name, used, allowed, requested } = reached;
  const rate = rateStatus(usage.rates, 0);
  return problem(
    "limit_exceeded",
    `The limit ${name} is reached: ${used} of ${allowed} used, ${requested} more requested.`,
    {
      limit: { name, used, allowed },
      retryAfterSeconds: Math.max(1, Math.ceil(retryAfter(name, usage, now))),
      ...(rate && { rate }),
    },
  );
}

function usedOf(name: LimitName, { totals, creatorPending, rates }: CurrentUsage): number {
  switch (name) {
    case "pending":
    case "storedSeconds":
      return totals[name];
    case "pendingPerCreator":
      return creatorPending;
    case "rate.tenant":
    case "rate.creator":
      return rates.find((rate) => rate.name === name)?.used ?? 0;
    case "quota.day.uploads":
    case "quota.month.uploads":
      return totals[windowOf(name)].uploads;
    case "quota.day.bytes":
    case "quota.month.bytes":
      return totals[windowOf(name)].bytes;
    case "quota.day.seconds":
    case "quota.month.seconds":
      return totals[windowOf(name)].seconds;
    default:
      return name satisfies never;
  }
}

function windowOf(name: `quota.${Window}.${string}`): Window {
  return name.startsWith("quota.day.") ? "day" : "month";
}

/** Seconds until a limit may admit more. */
function retryAfter(name: LimitName, { totals, rates, nextRelease }: CurrentUsage, now: number): number {
  if (name === "storedSeconds") return STORED_RETRY_SECONDS;
  if (name === "pending") return (nextRelease("tenant") ?? now) - now;
  if (name === "pendingPerCreator") return (nextRelease("creator") ?? now) - now;
  if (name === "rate.tenant" || name === "rate.creator")
    return rates.find((rate) => rate.name === name)?.resetSeconds ?? RATE_WINDOW_SECONDS;
  return (windowOf(name) === "day" ? totals.day.start + DAY_SECONDS : startOfMonth(totals.month.start, 1)) - now;
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
  const limit = (name: RateUse["name"], allowed: number, counted: readonly RecentCreation[]): RateUse => {
    // The creation that has to leave the window before one more is allowed.
    const next = counted[Math.max(0, counted.length - allowed)]?.created ?? now;
    return {
      name,
      allowed,
      used: counted.length,
      resetSeconds: RATE_WINDOW_SECONDS + Math.min(0, next - now),
    };
  };
  const all = [];
  if (rate.tenant !== undefined) all.push(limit("rate.tenant", rate.tenant, recent));
  if (rate.creator !== undefined && creator !== undefined) {
    const ofCreator = recent.filter((one) => one.creator === creator);
    all.push(limit("rate.creator", rate.creator, ofCreator));
  }
  return all;
}
