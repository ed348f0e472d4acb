import { describe, expect, it } from "vitest";
import { LookupCache } from "../../../src/adapters/d1/lookup-cache.ts";
import { NegativeLookupLimiter } from "../../../src/adapters/d1/negative-lookup-limiter.ts";

function clock() {
  let time = 1_000_000;
  return { now: () => time, pass: (milliseconds: number) => void (time += milliseconds) };
}

describe("the cache of look-ups", () => {
  const LIFETIME_MS = 10_000;

  it("gives what it was told until its time is over, to the millisecond, and then knows it for a real name", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("acme", "a", cache.begin());
    pass(LIFETIME_MS - 1);
    expect(cache.get("acme")).toEqual({ value: "a", fresh: true });
    pass(1);
    expect(cache.get("acme")).toEqual({ value: "a", fresh: false });
  });

  it("gives that there is nothing until its time is over, and then knows nothing of the name", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("nobody", undefined, cache.begin());
    pass(LIFETIME_MS - 1);
    expect(cache.get("nobody")).toEqual({ value: undefined, fresh: true });
    pass(1);
    expect(cache.get("nobody")).toBeUndefined();
  });

  it("counts a value's age from when it was asked for, not from when it came", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    const fill = cache.begin();
    pass(LIFETIME_MS - 1);
    cache.set("acme", "a", fill);
    expect(cache.get("acme")?.fresh).toBe(true);
    pass(1);
    expect(cache.get("acme")?.fresh).toBe(false);
  });

  it("takes nothing for fresh that was asked for before a change", () => {
    const { now } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("before", "a", cache.begin());
    const underWay = cache.begin();
    cache.expire();
    cache.set("under way", "b", underWay);
    cache.set("gone", undefined, underWay);
    expect(cache.get("before")).toEqual({ value: "a", fresh: false });
    expect(cache.get("under way")).toEqual({ value: "b", fresh: false });
    expect(cache.get("gone")).toBeUndefined();
    cache.set("after", "c", cache.begin());
    expect(cache.get("after")?.fresh).toBe(true);
  });

  it("forgets a name that has gone, and that a name was unknown once it is there", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("acme", "a", cache.begin());
    cache.set("acme", undefined, cache.begin());
    expect(cache.get("acme")).toEqual({ value: undefined, fresh: true });
    pass(LIFETIME_MS);
    expect(cache.get("acme")).toBeUndefined();
    cache.set("acme", undefined, cache.begin());
    cache.set("acme", "b", cache.begin());
    expect(cache.get("acme")).toEqual({ value: "b", fresh: true });
  });

  it("tells who begins to look for a name from who joins in, for a second, and lets no more begin than may miss", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    expect(["acme", "acme", "other"].map((name) => cache.startLookup(name))).toEqual(["started", "joined", "started"]);
    pass(999);
    expect(cache.startLookup("acme")).toBe("joined");
    pass(1);
    expect(cache.startLookup("acme")).toBe("started");
    while (cache.limiter.take());
    expect([cache.startLookup("one too many"), cache.startLookup("one too many")]).toEqual(["limited", "limited"]);
    expect(cache.startLookup("acme")).toBe("joined");
  });

  it("has nothing fresh with a lifetime of 0", () => {
    const cache = new LookupCache<string>(0, clock().now);
    cache.set("acme", "a", cache.begin());
    cache.set("nobody", undefined, cache.begin());
    expect(cache.get("acme")).toEqual({ value: "a", fresh: false });
    expect(cache.get("nobody")).toBeUndefined();
  });

  it("lets go of what has not been asked for longest, and of no real name for a made-up one", () => {
    const cache = new LookupCache<string>(LIFETIME_MS, clock().now);
    for (let index = 0; index < 2_000; index++) cache.set(`t${index}`, "t", cache.begin());
    for (let index = 0; index < 5_000; index++) cache.set(`made-up-${index}`, undefined, cache.begin());
    expect(cache.get("made-up-0")).toBeUndefined();
    expect(cache.get("made-up-3999")).toBeUndefined();
    expect(cache.get("made-up-4000")).toBeDefined();

    expect(cache.get("t0")).toBeDefined();
    cache.set("one more", "t", cache.begin());
    expect(cache.get("t0")).toBeDefined();
    expect(cache.get("t1")).toBeUndefined();
    expect(cache.get("t2")).toBeDefined();
  });
});

describe("the budget of misses", () => {
  const takeAll = (budget: NegativeLookupLimiter) => {
    let taken = 0;
    while (budget.take()) taken++;
    return taken;
  };

  it("is a burst of 200, refilled by 50 a second up to that and no more", () => {
    const { now, pass } = clock();
    const budget = new NegativeLookupLimiter(now);
    expect(takeAll(budget)).toBe(200);
    pass(19);
    expect(takeAll(budget)).toBe(0);
    pass(1);
    expect(takeAll(budget)).toBe(1);
    pass(1_000);
    expect(takeAll(budget)).toBe(50);
    pass(60 * 60 * 1_000);
    expect(takeAll(budget)).toBe(200);
  });

  it("gives back, but never more than the burst", () => {
    const budget = new NegativeLookupLimiter(clock().now);
    budget.refund();
    expect(takeAll(budget)).toBe(200);
    budget.refund();
    expect(takeAll(budget)).toBe(1);
  });

  it("loses nothing when the clock is set back", () => {
    const { now, pass } = clock();
    const budget = new NegativeLookupLimiter(now);
    pass(-60_000);
    expect(takeAll(budget)).toBe(200);
  });
});
