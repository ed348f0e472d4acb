import { describe, expect, it } from "vitest";
import {
  type CurrentUsage,
  type RateUse,
  type RecentCreation,
  checkLimits,
  rateStatus,
  rateUses,
} from "../../../src/core/quota/rules/check-limits.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import { emptyTotals } from "../../../src/core/quota/rules/usage-totals.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const [HOUR, DAY] = [3_600, 86_400];
const usage = { uploads: 2, bytes: 20, seconds: 200 };
const totals = emptyTotals(NOON);
const current: CurrentUsage = {
  totals: {
    pending: 3,
    videos: 1,
    storedSeconds: 300,
    day: { ...totals.day, ...usage },
    month: { ...totals.month, ...usage },
  },
  creatorPending: 1,
  rates: [],
  nextRelease: () => NOON + 90,
};
const size = { bytes: 10, seconds: 100, creator: "user-1" };

describe("checkLimits", () => {
  const endOfDay = 12 * HOUR;
  const endOfMonth = 8 * DAY + 12 * HOUR;

  it.each<[name: string, limits: (allowed: number) => Limits, used: number, requested: number, retryAfter: number]>([
    ["pending", (pending) => ({ pending }), 3, 1, 90],
    ["pendingPerCreator", (pendingPerCreator) => ({ pendingPerCreator }), 1, 1, 90],
    ["storedSeconds", (storedSeconds) => ({ storedSeconds }), 300, 100, HOUR],
    ["quota.day.uploads", (uploads) => ({ quota: { day: { uploads } } }), 2, 1, endOfDay],
    ["quota.day.bytes", (bytes) => ({ quota: { day: { bytes } } }), 20, 10, endOfDay],
    ["quota.day.seconds", (seconds) => ({ quota: { day: { seconds } } }), 200, 100, endOfDay],
    ["quota.month.uploads", (uploads) => ({ quota: { month: { uploads } } }), 2, 1, endOfMonth],
    ["quota.month.bytes", (bytes) => ({ quota: { month: { bytes } } }), 20, 10, endOfMonth],
    ["quota.month.seconds", (seconds) => ({ quota: { month: { seconds } } }), 200, 100, endOfMonth],
  ])("applies the limit %s", (name, limits, used, requested, retryAfterSeconds) => {
    const allowed = used + requested;
    expect(checkLimits(limits(allowed), current, size, NOON)).toBeUndefined();
    expect(checkLimits(limits(allowed - 1), current, size, NOON)).toMatchObject({
      code: "limit_exceeded",
      limit: { name, used, allowed: allowed - 1 },
      retryAfterSeconds,
    });
  });

  it("applies limits per minute", () => {
    const rates: RateUse[] = [{ name: "rate.tenant", allowed: 2, used: 2, resetSeconds: 7 }];
    const limits = { rate: { tenant: 2 } };
    expect(checkLimits(limits, { ...current, rates }, size, NOON)).toMatchObject({
      limit: { name: "rate.tenant", used: 2, allowed: 2 },
      retryAfterSeconds: 7,
      rate: { allowed: 2, remaining: 0, resetSeconds: 7 },
    });
    expect(checkLimits(limits, { ...current, rates: [{ ...rates[0]!, used: 1 }] }, size, NOON)).toBeUndefined();
  });

  it.each([
    [NOON + 0.5, 1],
    [NOON - 5, 1],
    [undefined, 1],
    [NOON + 1.5, 2],
  ])("returns whole seconds to wait, at least one: next expiry %s", (next, retryAfterSeconds) => {
    const usage = { ...current, nextRelease: () => next };
    expect(checkLimits({ pending: 3 }, usage, size, NOON)).toMatchObject({ retryAfterSeconds });
  });
});

describe("rateUses", () => {
  const recent: RecentCreation[] = [
    { id: "1", creator: "a", created: NOON - 50 },
    { id: "2", creator: "b", created: NOON - 40 },
    { id: "3", creator: "a", created: NOON - 30 },
    { id: "4", creator: null, created: NOON - 20 },
  ];

  it("returns a use per limit, with the time at which there is room for one more", () => {
    expect(rateUses({ tenant: 3, creator: 2 }, "a", recent, NOON)).toEqual([
      { name: "rate.tenant", allowed: 3, used: 4, resetSeconds: 20 },
      { name: "rate.creator", allowed: 2, used: 2, resetSeconds: 10 },
    ]);
    expect(rateUses({ tenant: 9 }, "a", recent, NOON)).toEqual([
      { name: "rate.tenant", allowed: 9, used: 4, resetSeconds: 10 },
    ]);
    expect(rateUses({ tenant: 9 }, "a", [], NOON)).toEqual([
      { name: "rate.tenant", allowed: 9, used: 0, resetSeconds: 60 },
    ]);
  });

  it("returns none without a limit or without a creator", () => {
    expect(rateUses({}, "a", recent, NOON)).toEqual([]);
    expect(rateUses({ creator: 2 }, undefined, recent, NOON)).toEqual([]);
  });
});

describe("rateStatus", () => {
  it("returns the limit with the least remaining", () => {
    const rates: RateUse[] = [
      { name: "rate.tenant", allowed: 10, used: 4, resetSeconds: 5 },
      { name: "rate.creator", allowed: 3, used: 1, resetSeconds: 6 },
    ];
    expect(rateStatus(rates, 0)).toEqual({ allowed: 3, remaining: 2, resetSeconds: 6 });
    expect(rateStatus(rates.toReversed(), 1)).toEqual({ allowed: 3, remaining: 1, resetSeconds: 6 });
    expect(rateStatus([{ name: "rate.tenant", allowed: 1, used: 3, resetSeconds: 5 }], 1)?.remaining).toBe(0);
    expect(rateStatus([], 1)).toBeUndefined();
  });
});
