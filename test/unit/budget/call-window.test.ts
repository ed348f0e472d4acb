import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BACKGROUND_TENANT,
  SlidingWindowLimiter,
  DEFAULT_CALLS_PER_WINDOW,
  WINDOW_SECONDS,
} from "../../../src/core/budget/rules/call-window.ts";

const N = DEFAULT_CALLS_PER_WINDOW;

/** The most calls in any window. */
function densest(calls: readonly number[]): number {
  let most = 0;
  for (let last = 0, first = 0; last < calls.length; last++) {
    while ((calls[first] ?? 0) <= (calls[last] ?? 0) - WINDOW_SECONDS) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const classOf = (tenant: string) => (tenant === BACKGROUND_TENANT ? "background" : "foreground");

describe("whatever the tenants do", () => {
  const capacities = fc.integer({ min: 1, max: 30 });
  const step0 = { after: 0, tenant: "a" as const, refund: false, capacity: undefined };
  const step = fc.record({
    // Most doubles are next to nothing: with them alone no call would ever leave the window.
    after: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 40, noNaN: true }),
      fc.integer({ min: 1, max: 40_000 }).map((milliseconds) => milliseconds / 1000),
    ),
    tenant: fc.constantFrom("a", "b", "c", "d", BACKGROUND_TENANT),
    refund: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    /** From now on. */
    capacity: fc.option(capacities, { nil: undefined, freq: 20 }),
  });

  it("no window ever sees more calls than the budget has, and the books agree with what was granted", () => {
    fc.assert(
      fc.property(capacities, fc.array(step, { maxLength: 300, size: "max" }), (initial, steps) => {
        const window = new SlidingWindowLimiter(initial);
        let calls: { at: number; tenant: string }[] = [];
        let now = 1_000;
        for (const { after, tenant, refund, capacity } of steps) {
          now += after;
          window.capacity = capacity ?? window.capacity;
          calls = calls.filter(({ at }) => at > now - WINDOW_SECONDS);
          const grant = window.acquire(tenant, classOf(tenant), now);
          if (grant.granted) expect(calls.length).toBeLessThan(window.capacity);
          else {
            expect(grant.retryAfterSeconds).toBeGreaterThanOrEqual(1);
            expect(grant.retryAfterSeconds).toBeLessThanOrEqual(WINDOW_SECONDS);
          }
          if (grant.granted && refund) window.refund(tenant);
          else if (grant.granted) calls.push({ at: now, tenant });
          expect(window.size).toBe(calls.length);
        }
      }),
      {
        numRuns: 300,
        // The example once gave 301 seconds, by rounding.
        examples: [[1, [{ ...step0, after: 0.00006083159115632953 }, step0, step0]]],
      },
    );
  });

  it.each(["e", BACKGROUND_TENANT])("who waits as long as was said is granted, if nobody else asks: %s", (who) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }),
        fc.array(step, { maxLength: 100, size: "max" }),
        (capacity, steps) => {
          const window = new SlidingWindowLimiter(capacity);
          let now = 1_000;
          for (const { after, tenant } of steps) {
            now += after;
            window.acquire(tenant, classOf(tenant), now);
          }
          for (let tries = 0; tries < 20; tries++) {
            const grant = window.acquire(who, classOf(who), now);
            if (grant.granted) return;
            now += grant.retryAfterSeconds;
          }
          expect.unreachable("told to wait twenty times");
        },
      ),
    );
  });
});

/** How many calls of a tenant are granted at each of these times, if it asks until it is refused. */
function grantedAt(window: SlidingWindowLimiter, tenant: string, times: readonly number[]): number[] {
  return times.map((now) => {
    let calls = 0;
    while (window.acquire(tenant, classOf(tenant), now).granted) calls++;
    return calls;
  });
}

describe("a tenant alone", () => {
  it("is granted its share at once, then a tenth in each half minute, and not the room of newcomers", () => {
    const window = new SlidingWindowLimiter(100);
    const times = [1_000, 1_030, 1_060, 1_090, 1_120, 1_150, 1_180];
    expect(grantedAt(window, "a", times)).toEqual([50, 10, 10, 10, 10, 8, 0]);
    expect(grantedAt(window, "newcomer", [1_180])).toEqual([2]);
  });
});

describe("the calls of each second", () => {
  it("are those of its end that are in the window and were made", () => {
    const window = new SlidingWindowLimiter(10);
    for (const at of [1_000.2, 1_000.7, 1_002]) window.count("a", at);
    expect(window.countsPerSecond()).toEqual([
      [1_001, 2],
      [1_002, 1],
    ]);
    window.refund("a");
    expect(window.countsPerSecond()).toEqual([[1_001, 2]]);
    window.acquire("a", "foreground", 1_300.5);
    expect(window.countsPerSecond()).toEqual([
      [1_001, 1],
      [1_301, 1],
    ]);
  });
});

describe("the gate", () => {
  it("is closed until it is said to open, for everyone", () => {
    const window = new SlidingWindowLimiter(10);
    window.blockUntil(1_060);
    expect(window.acquire("a", "foreground", 1_000)).toEqual({ granted: false, retryAfterSeconds: 60 });
    expect(window.acquire("b", "background", 1_059.5)).toEqual({ granted: false, retryAfterSeconds: 1 });
    expect(window.acquire("a", "foreground", 1_060)).toEqual({ granted: true });
  });
});

describe("background work", () => {
  it("leaves a tenth, and the room for newcomers, to the tenants", () => {
    const window = new SlidingWindowLimiter(100);
    let granted = 0;
    for (let now = 1_000; now < 1_300; now += 0.25) if (window.acquire("*", "background", now).granted) granted++;
    expect(granted).toBeLessThanOrEqual(88);
    expect(window.acquire("a", "foreground", 1_299).granted).toBe(true);
  });

  it("leaves a tenant at work what it is expected to want, up to its guaranteed share", () => {
    const window = new SlidingWindowLimiter(100);
    for (let call = 0; call < 40; call++) window.count("a", 1_000);
    expect(grantedAt(window, BACKGROUND_TENANT, [1_000, 1_031, 1_062, 1_093, 1_124, 1_155])).toEqual([
      0, 8, 8, 8, 8, 6,
    ]);
  });

  it.each([
    [3, 5],
    [3, 1],
    [3.3, 5],
    [3.3, 1],
  ])("takes nothing from a tenant with %d calls a second, however often it asks: %d times a second", (tenant, own) => {
    const asks = Object.entries({ a: tenant, [BACKGROUND_TENANT]: own }).flatMap(([asker, perSecond]) =>
      Array.from({ length: 900 * perSecond }, (_, index) => ({ asker, at: 1_000 + index / perSecond })),
    );
    const window = new SlidingWindowLimiter(N);
    const tally = { foreground: 0, background: 0, refused: 0 };
    for (const { asker, at } of asks.toSorted((a, b) => a.at - b.at)) {
      const callClass = classOf(asker);
      if (window.acquire(asker, callClass, at).granted) tally[callClass]++;
      else if (callClass === "foreground") tally.refused++;
    }
    expect(tally.refused).toBe(0);
    expect(tally.background).toBeGreaterThan(0);
  });
});

describe("one tenant at a hundred times its share, and twenty at a call in 15 seconds", () => {
  /** Deterministic, so that a failure is one. */
  function simulate(seconds: number, quietFrom: number) {
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed / 2 ** 32;
    };
    const share = N / 21;
    const asks: { at: number; tenant: string }[] = [];
    for (let at = 1_000; at < 1_000 + seconds; at += WINDOW_SECONDS / (100 * share)) asks.push({ at, tenant: "noisy" });
    for (let quiet = 0; quiet < 20; quiet++) {
      const phase = random() * 15;
      for (let at = 1_000 + quietFrom + phase; at < 1_000 + seconds; at += 15)
        asks.push({ at: at + random() * 5, tenant: `quiet-${quiet}` });
    }
    const window = new SlidingWindowLimiter(N);
    const tally = { quiet: 0, quietRefused: 0, noisy: 0 };
    const calls: number[] = [];
    for (const { at, tenant } of asks.toSorted((a, b) => a.at - b.at)) {
      const { granted } = window.acquire(tenant, "foreground", at);
      if (granted) calls.push(at);
      if (tenant !== "noisy") tally[granted ? "quiet" : "quietRefused"]++;
      else if (granted) tally.noisy++;
    }
    return { ...tally, densest: densest(calls), used: calls.length / ((N * seconds) / WINDOW_SECONDS) };
  }

  it.each([0, 60])("the quiet ones, coming after %d s, succeed; the noisy one gets the rest", (quietFrom) => {
    const { quiet, quietRefused, noisy, densest, used } = simulate(3_600, quietFrom);
    expect(quiet / (quiet + quietRefused)).toBeGreaterThanOrEqual(0.999);
    expect(densest).toBeLessThanOrEqual(N);
    expect(used).toBeGreaterThanOrEqual(0.95);
    expect(noisy).toBeGreaterThan(quiet);
  });
});
