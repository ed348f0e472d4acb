import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { createBudget } from "../../../src/adapters/durable-objects/budget-client.ts";
import { WINDOW_SECONDS } from "../../../src/core/budget/rules/call-window.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

afterEach(() => vi.useRealTimers());

const CAPACITY = 100;
let made = 0;
const newBudget = () => env.BUDGET.getByName(`upstream-${++made}`);
type Budget = ReturnType<typeof newBudget>;

/** How many of so many calls are granted. Several tenants ask, so that none reaches its share. */
async function granted(budget: Budget, calls: number): Promise<number> {
  let count = 0;
  for (let call = 0; call < calls; call++)
    if ((await budget.acquire(CAPACITY, `tenant-${call % 20}`, "foreground")) === 0) count++;
  return count;
}

it("is not overdrawn by an object that starts anew: what it had begun to spend counts as spent", async () => {
  const budget = newBudget();
  expect(await granted(budget, 40)).toBe(40);
  await evictDurableObject(budget);
  const after = await granted(budget, 200);
  expect(40 + after).toBeLessThanOrEqual(CAPACITY);
  // Blocks of 1, 1, 2, 4, 8, 16 and 32 had been begun.
  expect(after).toBeGreaterThanOrEqual(CAPACITY - 64 - 20);
  await evictDurableObject(budget);
  expect(await granted(budget, 200)).toBe(0);
});

it("loses nothing to starting anew for each of a few calls, as an object with little traffic does", async () => {
  const budget = newBudget();
  for (let call = 0; call < 40; call++) {
    expect(await granted(budget, 1)).toBe(1);
    await evictDurableObject(budget);
  }
});

it("counts what it had begun to spend once, however often it starts anew before the next call is granted", async () => {
  const budget = newBudget();
  // So few that one block, counted as of this moment, leaves nothing.
  const few = 20;
  const ask = () => budget.acquire(few, "tenant", "foreground");
  vi.setSystemTime(Date.now());
  for (let call = 0; call < 60; call++) await budget.acquire(CAPACITY, `tenant-${call}`, "foreground");
  await evictDurableObject(budget);
  expect(await ask()).toBeGreaterThan(0);
  for (let seconds = 0; seconds < WINDOW_SECONDS; seconds += 60) {
    vi.setSystemTime(Date.now() + 60_000);
    await evictDurableObject(budget);
    await ask();
  }
  vi.setSystemTime(Date.now() + 1_000);
  expect(await ask()).toBe(0);
});

it("stays closed for as long as the upstream said, also after it has started anew", async () => {
  const budget = newBudget();
  await granted(budget, 1);
  await budget.close(120);
  // Calls that were under way may be told of less.
  await budget.close(1);
  await evictDurableObject(budget);
  expect(await budget.acquire(CAPACITY, "tenant", "foreground")).toBeGreaterThan(110);
});

it.each([1, 64])(
  "counts calls that were not made after all for nothing, %d at a time, then and later",
  async (wave) => {
    const budget = newBudget();
    for (let calls = 0; calls < 3 * CAPACITY; calls += wave) {
      expect(await granted(budget, wave)).toBe(wave);
      for (let call = 0; call < wave; call++) await budget.refund(`tenant-${call % 20}`);
    }
    await evictDurableObject(budget);
    // Those that were in the window when it was last written down, and those ahead.
    expect(await granted(budget, CAPACITY)).toBeGreaterThanOrEqual(CAPACITY - wave - 31);
  },
);

it.each(["more", "less"])(
  "has not spent anything when it is said to be %s, and back, time and again",
  async (which) => {
    const budget = newBudget();
    const other = CAPACITY + (which === "more" ? 10 : -10);
    for (let call = 0; call < 30; call++)
      expect(await budget.acquire(call % 2 ? CAPACITY : other, `tenant-${call % 20}`, "foreground")).toBe(0);
    expect(await granted(budget, CAPACITY)).toBe(CAPACITY - 30);
  },
);

it("that cannot be asked grants nothing", async () => {
  const moving = { getByName: () => ({ acquire: () => Promise.reject(new Error("The object is moving.")) }) };
  const budget = createBudget(moving as unknown as Env["BUDGET"]);
  const refused = await budget.acquire({ id: "eu", callsPerWindow: 10 } as Upstream, "tenant", "foreground");
  expect(refused).toEqual({ granted: false, retryAfterSeconds: 1 });
});
