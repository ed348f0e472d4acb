import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BACKGROUND_TENANT,
  SlidingWindowLimiter,
  DEFAULT_CALLS_PER_WINDOW,
  WINDOW_SECONDS,
} from "../../../src/core/budget/rules/call-window.ts";

const N = DEFAULT_CALLS_PER_WINDOW;

/** Largest number of calls in any window. */
function densest(calls: readonly number[]): number {
  let most = 0;
  for (let last = 0, first = 0; last < calls.length; last++) {
    while ((calls[first] ?? 0) <= (calls[last] ?? 0) - WINDOW_SECONDS) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const classOf = (tenant: string) => (tenant === BACKGROUND_TENANT ? "background" : "foreground");

describe("SlidingWindowLimiter: any sequence of calls", () => {
  const capacities = fc.integer({ min: 1, max: 30 });
  const step0 = { after: 0, tenant: "a" as const, refund: false, capacity: undefined };
  const step = fc.record({
    // Most doubles are close to 0: with doubles only, no call would leave the window.
    after: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 40, noNaN: true }),
      fc.integer({ min: 1, max: 40_000 }).map((milliseconds) => milliseconds / 1000),
    ),
    tenant: fc.constantFrom("a", "b", "c", "d", BACKGROUND_TENANT),
    refund: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    /** From this step on. */
    capacity: fc.option(capacities, { nil: undefined, freq: 20 }),
  });

  it(
    "never grants more calls per window than its capacity, and counts exactly the granted ones",
    { timeout: 30_000 },
    () => {
      fc.assert(
        fc.property(capacities, fc.array(step, { maxLength: 300, size: "max" }), (initial, steps) => {
          const window = new SlidingWindowLimiter(initial);
          let calls: { at: number; tenant: string }[] = [];
          let now = 1_000;
          for (const { after, tenant, refund, capacity } of steps) {
            now += after;
            window.capacity = capacity ?? window.capacity;
            calls = calls.filter(({ at }) => at > now - WINDOW_SECONDS);
            const call = window.acquire(tenant, classOf(tenant), now);
            if (call.granted) expect(calls.length).toBeLessThan(window.capacity);
            else {
              expect(call.retryAfterSeconds).toBeGreaterThanOrEqual(1);
              expect(call.retryAfterSeconds).toBeLessThanOrEqual(WINDOW_SECONDS);
            }
            if (call.granted && refund) window.refund(tenant);
            else if (call.granted) calls.push({ at: now, tenant });
            expect(window.size).toBe(calls.length);
          }
        }),
        {
          numRuns: 300,
          // The example once gave 301 seconds, by rounding.
          examples: [[1, [{ ...step0, after: 0.00006083159115632953 }, step0, step0]]],
        },
      );
    },
  );

  it.each(["e", BACKGROUND_TENANT])(
    "grants a call of %s after retryAfterSeconds if no other calls are made",
    (tenant) => {
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
              const call = window.acquire(tenant, classOf(tenant), now);
              if (call.granted) return;
              now += call.retryAfterSeconds;
            }
            expect.unreachable("refused twenty times");
          },
        ),
      );
    },
  );
});

describe("SlidingWindowLimiter: a clock that goes back", () => {
  const step = fc.record({
    /** How much time passes. */
    after: fc.constantFrom(0, 1, 30, 150, 299, 300),
    back: fc.constantFrom(0, 0, 0, 0, 1, 60, 299, 301, 3_600, 86_400),
    tenant: fc.constantFrom("a", "b", "c"),
  });

  it("never grants more calls in five minutes than the capacity, and grants calls again", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 10 }),
        fc.array(step, { maxLength: 100, size: "max" }),
        (capacity, steps) => {
          const window = new SlidingWindowLimiter(capacity);
          const calls: number[] = [];
          let [passed, wrong] = [0, 10 ** 9];
          for (const { after, back, tenant } of steps) {
            passed += after;
            wrong -= back;
            const call = window.acquire(tenant, "foreground", passed + wrong);
            if (call.granted) calls.push(passed);
            else expect(call.retryAfterSeconds).toBeLessThanOrEqual(WINDOW_SECONDS);
          }
          expect(densest(calls)).toBeLessThanOrEqual(capacity);
          // It shows that the clock is behind; or the clock has passed the latest call by then.
          const tries = [0, 1, 2].map((windows) => passed + wrong + windows * WINDOW_SECONDS);
          const isGranted = tries.map((now) => window.acquire("d", "foreground", now).granted);
          expect(isGranted.slice(1)).toContain(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("counts the calls before a correction when the clock is set forward again", () => {
    const window = new SlidingWindowLimiter(3);
    for (const tenant of ["a", "a", "b"]) expect(window.acquire(tenant, "foreground", 10_000).granted).toBe(true);
    for (const now of [6_400, 6_699, 10_299, 6_400, 10_001])
      expect(window.acquire("a", "foreground", now).granted).toBe(false);
    expect(window.acquire("a", "foreground", 10_300).granted).toBe(true);
  });
});

/** Number of calls granted to a tenant at each of these times, if it calls until it is refused. */
function grantedAt(window: SlidingWindowLimiter, tenant: string, times: readonly number[]): number[] {
  return times.map((now) => {
    let calls = 0;
    while (window.acquire(tenant, classOf(tenant), now).granted) calls++;
    return calls;
  });
}

describe("SlidingWindowLimiter: calls that were restored", () => {
  it("lets a call leave the window after five minutes, also one before the end of a restored second", () => {
    const window = new SlidingWindowLimiter(3);
    window.count("", 1);
    window.count("a", 0.3);
    window.acquire("b", "foreground", WINDOW_SECONDS + 0.4);
    expect(window.size).toBe(2);
  });
});

describe("SlidingWindowLimiter: a single tenant", () => {
  it("is granted its share at once, then a tenth per 30 seconds, but not the newcomers' room", () => {
    const window = new SlidingWindowLimiter(100);
    const times = [1_000, 1_030, 1_060, 1_090, 1_120, 1_150, 1_180];
    expect(grantedAt(window, "a", times)).toEqual([50, 10, 10, 10, 10, 8, 0]);
    expect(grantedAt(window, "newcomer", [1_180])).toEqual([2]);
  });
});

describe("SlidingWindowLimiter.countsPerSecond", () => {
  it("counts the calls in the window that were made, by second rounded up", () => {
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

describe("SlidingWindowLimiter.blockUntil", () => {
  it("grants no call to any tenant before the given time", () => {
    const window = new SlidingWindowLimiter(10);
    window.blockUntil(1_060);
    expect(window.acquire("a", "foreground", 1_000)).toEqual({ granted: false, retryAfterSeconds: 60 });
    expect(window.acquire("b", "background", 1_059.5)).toEqual({ granted: false, retryAfterSeconds: 1 });
    expect(window.acquire("a", "foreground", 1_060)).toEqual({ granted: true });
  });
});

describe("SlidingWindowLimiter: background calls", () => {
  it("leave a tenth and the newcomers' room to the tenants", () => {
    const window = new SlidingWindowLimiter(100);
    let granted = 0;
    for (let now = 1_000; now < 1_300; now += 0.25) if (window.acquire("*", "background", now).granted) granted++;
    expect(granted).toBeLessThanOrEqual(88);
    expect(window.acquire("a", "foreground", 1_299).granted).toBe(true);
  });

  it("leave an active tenant its expected calls, up to its guaranteed share", () => {
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
  ])(
    "cause no refusal of a tenant with %d calls per second, at %d background calls per second",
    (tenantRate, backgroundRate) => {
      const attempts = Object.entries({ a: tenantRate, [BACKGROUND_TENANT]: backgroundRate }).flatMap(
        ([tenant, perSecond]) =>
          Array.from({ length: 900 * perSecond }, (_, index) => ({ tenant, at: 1_000 + index / perSecond })),
      );
      const window = new SlidingWindowLimiter(N);
      const counts = { foreground: 0, background: 0, refused: 0 };
      for (const { tenant, at } of attempts.toSorted((a, b) => a.at - b.at)) {
        const callClass = classOf(tenant);
        if (window.acquire(tenant, callClass, at).granted) counts[callClass]++;
        else if (callClass === "foreground") counts.refused++;
      }
      expect(counts.refused).toBe(0);
      expect(counts.background).toBeGreaterThan(0);
    },
  );
});

describe("SlidingWindowLimiter: one tenant at 100 times its share, and 20 at a call per 15 seconds", () => {
  /** Deterministic, so that a failure can be repeated. */
  function simulate(seconds: number, quietFrom: number) {
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed / 2 ** 32;
    };
    const share = N / 21;
    const attempts: { at: number; tenant: string }[] = [];
    for (let at = 1_000; at < 1_000 + seconds; at += WINDOW_SECONDS / (100 * share))
      attempts.push({ at, tenant: "noisy" });
    for (let quiet = 0; quiet < 20; quiet++) {
      const phase = random() * 15;
      for (let at = 1_000 + quietFrom + phase; at < 1_000 + seconds; at += 15)
        attempts.push({ at: at + random() * 5, tenant: `quiet-${quiet}` });
    }
    const window = new SlidingWindowLimiter(N);
    const counts = { quiet: 0, quietRefused: 0, noisy: 0 };
    const calls: number[] = [];
    for (const { at, tenant } of attempts.toSorted((a, b) => a.at - b.at)) {
      const { granted } = window.acquire(tenant, "foreground", at);
      if (granted) calls.push(at);
      if (tenant !== "noisy") counts[granted ? "quiet" : "quietRefused"]++;
      else if (granted) counts.noisy++;
    }
    return { ...counts, densest: densest(calls), used: calls.length / ((N * seconds) / WINDOW_SECONDS) };
  }

  it.each([0, 60])(
    "grants the quiet tenants, starting after %d s, all but 0.1 % of their calls, and the noisy one the rest",
    (quietFrom) => {
      const { quiet, quietRefused, noisy, densest, used } = simulate(3_600, quietFrom);
      expect(quiet / (quiet + quietRefused)).toBeGreaterThanOrEqual(0.999);
      expect(densest).toBeLessThanOrEqual(N);
      expect(used).toBeGreaterThanOrEqual(0.95);
      expect(noisy).toBeGreaterThan(quiet);
    },
  );
});
