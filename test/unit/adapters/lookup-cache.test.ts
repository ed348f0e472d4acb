import { describe, expect, it } from "vitest";
import { LookupCache } from "../../../src/adapters/d1/lookup-cache.ts";
import { NegativeLookupLimiter } from "../../../src/adapters/d1/negative-lookup-limiter.ts";

function clock() {
  let time = 1_000_000;
  return { now: () => time, pass: (milliseconds: number) => void (time += milliseconds) };
}

describe("LookupCache", () => {
  const LIFETIME_MS = 10_000;

  it("returns a value as fresh until its lifetime ends, and as stale afterwards", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("acme", "a", cache.begin());
    pass(LIFETIME_MS - 1);
    expect(cache.get("acme")).toEqual({ value: "a", fresh: true });
    pass(1);
    expect(cache.get("acme")).toEqual({ value: "a", fresh: false });
  });

  it("returns a negative result until its lifetime ends, and nothing afterwards", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("nobody", undefined, cache.begin());
    pass(LIFETIME_MS - 1);
    expect(cache.get("nobody")).toEqual({ value: undefined, fresh: true });
    pass(1);
    expect(cache.get("nobody")).toBeUndefined();
  });

  it("counts the age of a value from the start of its lookup", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    const fill = cache.begin();
    pass(LIFETIME_MS - 1);
    cache.set("acme", "a", fill);
    expect(cache.get("acme")?.fresh).toBe(true);
    pass(1);
    expect(cache.get("acme")?.fresh).toBe(false);
  });

  it("makes everything stale on expire, including lookups in progress", () => {
    const { now } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    cache.set("before", "a", cache.begin());
    const inProgress = cache.begin();
    cache.expire();
    cache.set("in progress", "b", inProgress);
    cache.set("gone", undefined, inProgress);
    expect(cache.get("before")).toEqual({ value: "a", fresh: false });
    expect(cache.get("in progress")).toEqual({ value: "b", fresh: false });
    expect(cache.get("gone")).toBeUndefined();
    cache.set("after", "c", cache.begin());
    expect(cache.get("after")?.fresh).toBe(true);
  });

  it("replaces a value by a negative result, and a negative result by a value", () => {
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

  it("joins lookups of one name for a second, and limits how many start", () => {
    const { now, pass } = clock();
    const cache = new LookupCache<string>(LIFETIME_MS, now);
    expect(["acme", "acme", "other"].map((name) => cache.startLookup(name))).toEqual(["started", "joined", "started"]);
    pass(999);
    expect(cache.startLookup("acme")).toBe("joined");
    pass(1);
    expect(cache.startLookup("acme")).toBe("started");
    while (cache.limiter.take());
    expect([cache.startLookup("another"), cache.startLookup("another")]).toEqual(["limited", "limited"]);
    expect(cache.startLookup("acme")).toBe("joined");
  });

  it("returns nothing as fresh when the lifetime is 0", () => {
    const cache = new LookupCache<string>(0, clock().now);
    cache.set("acme", "a", cache.begin());
    cache.set("nobody", undefined, cache.begin());
    expect(cache.get("acme")).toEqual({ value: "a", fresh: false });
    expect(cache.get("nobody")).toBeUndefined();
  });

  it("evicts the least recently used name, and never a real one for a made-up one", () => {
    const cache = new LookupCache<string>(LIFETIME_MS, clock().now);
    for (let index = 0; index < 2_000; index++) cache.set(`t${index}`, "t", cache.begin());
    for (let index = 0; index < 5_000; index++) cache.set(`made-up-${index}`, undefined, cache.begin());
    expect(cache.get("made-up-0")).toBeUndefined();
    expect(cache.get("made-up-3999")).toBeUndefined();
    expect(cache.get("made-up-4000")).toBeDefined();

    expect(cache.get("t0")).toBeDefined();
    cache.set("new", "t", cache.begin());
    expect(cache.get("t0")).toBeDefined();
    expect(cache.get("t1")).toBeUndefined();
    expect(cache.get("t2")).toBeDefined();
  });
});

describe("NegativeLookupLimiter", () => {
  const takeAll = (limiter: NegativeLookupLimiter) => {
    let taken = 0;
    while (limiter.take()) taken++;
    return taken;
  };

  it("allows a burst of 200 and refills 50 per second up to it", () => {
    const { now, pass } = clock();
    const limiter = new NegativeLookupLimiter(now);
    expect(takeAll(limiter)).toBe(200);
    pass(19);
    expect(takeAll(limiter)).toBe(0);
    pass(1);
    expect(takeAll(limiter)).toBe(1);
    pass(1_000);
    expect(takeAll(limiter)).toBe(50);
    pass(60 * 60 * 1_000);
    expect(takeAll(limiter)).toBe(200);
  });

  it("refunds tokens up to the burst", () => {
    const limiter = new NegativeLookupLimiter(clock().now);
    limiter.refund();
    expect(takeAll(limiter)).toBe(200);
    limiter.refund();
    expect(takeAll(limiter)).toBe(1);
  });

  it("keeps its tokens when the clock is set back", () => {
    const { now, pass } = clock();
    const limiter = new NegativeLookupLimiter(now);
    pass(-60_000);
    expect(takeAll(limiter)).toBe(200);
  });
});
