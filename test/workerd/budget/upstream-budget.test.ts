import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createBudget } from "../../../src/adapters/durable-objects/budget-client.ts";
import { WINDOW_SECONDS } from "../../../src/core/budget/rules/call-window.ts";
import type { UpstreamBudget } from "../../../src/durable-objects/upstream-budget.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

afterEach(() => vi.useRealTimers());

const CAPACITY = 100;
let budgets = 0;
const newBudget = () => env.BUDGET.getByName(`upstream-${++budgets}`);
type Budget = ReturnType<typeof newBudget>;

/** Number of calls granted out of `calls`. Made by 20 tenants, so that none reaches its share. */
async function granted(budget: Budget, calls: number): Promise<number> {
  let count = 0;
  for (let call = 0; call < calls; call++)
    if ((await budget.acquire(CAPACITY, `tenant-${call % 20}`, "foreground")) === 0) count++;
  return count;
}

describe("UpstreamBudget", () => {
  it("counts the calls written ahead as made after a restart", async () => {
    const budget = newBudget();
    expect(await granted(budget, 40)).toBe(40);
    await evictDurableObject(budget);
    const after = await granted(budget, 200);
    expect(40 + after).toBeLessThanOrEqual(CAPACITY);
    // Blocks of 1, 1, 2, 4, 8, 16 and 32 calls were written ahead.
    expect(after).toBeGreaterThanOrEqual(CAPACITY - 64 - 20);
    await evictDurableObject(budget);
    expect(await granted(budget, 200)).toBe(0);
  });

  it("loses no calls when the object restarts after each call, as with little traffic", async () => {
    const budget = newBudget();
    for (let call = 0; call < 40; call++) {
      expect(await granted(budget, 1)).toBe(1);
      await evictDurableObject(budget);
    }
  });

  it("counts the calls written ahead once, also after several restarts before the next granted call", async () => {
    const budget = newBudget();
    // Fewer than one block: after a restart, no call is left.
    const few = 20;
    const acquire = () => budget.acquire(few, "tenant", "foreground");
    vi.setSystemTime(Date.now());
    for (let call = 0; call < 60; call++) await budget.acquire(CAPACITY, `tenant-${call}`, "foreground");
    await evictDurableObject(budget);
    expect(await acquire()).toBeGreaterThan(0);
    for (let seconds = 0; seconds < WINDOW_SECONDS; seconds += 60) {
      vi.setSystemTime(Date.now() + 60_000);
      await evictDurableObject(budget);
      await acquire();
    }
    vi.setSystemTime(Date.now() + 1_000);
    expect(await acquire()).toBe(0);
  });

  it("grants no call during a cool-down, also after a restart", async () => {
    const budget = newBudget();
    await granted(budget, 1);
    await budget.close(120);
    // A concurrent call may report a shorter one.
    await budget.close(1);
    await evictDurableObject(budget);
    expect(await budget.acquire(CAPACITY, "tenant", "foreground")).toBeGreaterThan(110);
  });

  it.each([1, 64])("gives back refunded calls, %d at a time, also after a restart", async (wave) => {
    const budget = newBudget();
    for (let calls = 0; calls < 3 * CAPACITY; calls += wave) {
      expect(await granted(budget, wave)).toBe(wave);
      for (let call = 0; call < wave; call++) await budget.refund(`tenant-${call % 20}`);
    }
    await evictDurableObject(budget);
    // All but the calls that were in the window at the last write, and the calls ahead.
    expect(await granted(budget, CAPACITY)).toBeGreaterThanOrEqual(CAPACITY - wave - 31);
  });

  it.each(["more", "less"])(
    "keeps its counts when the capacity alternates between two values, the other being %s",
    async (which) => {
      const budget = newBudget();
      const other = CAPACITY + (which === "more" ? 10 : -10);
      for (let call = 0; call < 30; call++)
        expect(await budget.acquire(call % 2 ? CAPACITY : other, `tenant-${call % 20}`, "foreground")).toBe(0);
      expect(await granted(budget, CAPACITY)).toBe(CAPACITY - 30);
    },
  );
});

describe("UpstreamBudget, of calls that a plan decided", () => {
  const STALE = -1;
  const free = (version: number) => ({ id: "free", version });
  const acquire = (budget: Budget, plan?: { id: string; version: number }) =>
    budget.acquire(CAPACITY, "tenant", "foreground", plan);
  const writtenRows = (budget: Budget, work: (object: UpstreamBudget) => unknown) =>
    runInDurableObject(budget, async (object: UpstreamBudget, { storage }) => {
      let written = 0;
      const exec = vi.spyOn(storage.sql, "exec").mockImplementation((...query: Parameters<SqlStorage["exec"]>) => {
        exec.mockRestore();
        const cursor = storage.sql.exec(...query);
        written += cursor.rowsWritten;
        return cursor;
      });
      await work(object);
      exec.mockRestore();
      return written;
    });

  it("refuses those of an older version, of this plan only, also after a restart", async () => {
    const budget = newBudget();
    expect(await acquire(budget, free(5))).toBe(0);
    expect(await budget.learnPlan("free", 6)).toBe(6);
    for (let restart = 0; restart < 2; restart++) {
      expect(await acquire(budget, free(5))).toBe(STALE);
      expect(await acquire(budget, free(6))).toBe(0);
      expect(await acquire(budget, { id: "pro", version: 1 })).toBe(0);
      expect(await acquire(budget)).toBe(0);
      await evictDurableObject(budget);
    }
  });

  it("keeps the newest version, and learns it from calls, too", async () => {
    const budget = newBudget();
    await budget.learnPlan("free", 6);
    expect(await budget.learnPlan("free", 5)).toBe(6);
    expect(await acquire(budget, free(7))).toBe(0);
    expect(await acquire(budget, free(6))).toBe(STALE);
  });

  it("counts no call for them", async () => {
    const budget = newBudget();
    await budget.learnPlan("free", 6);
    for (let call = 0; call < 2 * CAPACITY; call++) await acquire(budget, free(5));
    expect(await granted(budget, CAPACITY)).toBe(CAPACITY);
  });

  it("stores nothing for a version that it knows", async () => {
    const budget = newBudget();
    for (let call = 0; call < 3; call++) await acquire(budget, free(5));
    const stored = () =>
      runInDurableObject(budget, (_, { storage }) => storage.sql.exec("SELECT * FROM plans").toArray());
    expect(await stored()).toEqual([{ id: "free", version: 5 }]);
    expect(await writtenRows(budget, (object) => object.learnPlan("free", 5))).toBe(0);
    expect(await writtenRows(budget, (object) => object.learnPlan("free", 6))).toBe(1);
  });
});

describe("createBudget", () => {
  it("reads that the plan has changed", async () => {
    const upstream = { id: `upstream-${++budgets}`, callsPerWindow: 10 } as Upstream;
    await env.BUDGET.getByName(upstream.id).learnPlan("free", 6);
    const acquire = (version: number) =>
      createBudget(env.BUDGET).acquire(upstream, "tenant", "foreground", { id: "free", version });
    expect(await acquire(5)).toEqual({ granted: false, retryAfterSeconds: 1, isStale: true });
    expect(await acquire(6)).toEqual({ granted: true });
  });

  it("refuses for one second when the object cannot be reached", async () => {
    const moving = { getByName: () => ({ acquire: () => Promise.reject(new Error("The object is moving.")) }) };
    const budget = createBudget(moving as unknown as Env["BUDGET"]);
    const refused = await budget.acquire({ id: "eu", callsPerWindow: 10 } as Upstream, "tenant", "foreground");
    expect(refused).toEqual({ granted: false, retryAfterSeconds: 1 });
  });
});
