import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

const CAPACITY = 100;
let made = 0;
const newBudget = () => env.BUDGET.getByName(`upstream-${++made}`);
type Budget = ReturnType<typeof newBudget>;

/** How many of so many calls are granted. Several tenants ask, so that none reaches its share. */
async function granted(budget: Budget, calls: number): Promise<number> {
  let count = 0;
  for (let call = 0; call < calls; call++)
    if ((await budget.acquire(CAPACITY, `tenant-${call % 20}`, "foreground")).granted) count++;
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

it("stays closed for as long as the upstream said, also after it has started anew", async () => {
  const budget = newBudget();
  await granted(budget, 1);
  await budget.close(120);
  await evictDurableObject(budget);
  const refused = await budget.acquire(CAPACITY, "tenant", "foreground");
  expect(refused).toMatchObject({ granted: false });
  expect(refused.granted || refused.retryAfterSeconds).toBeGreaterThan(110);
});

it("counts a call that was not made after all for nothing", async () => {
  const budget = newBudget();
  for (let call = 0; call < 3 * CAPACITY; call++) {
    expect(await budget.acquire(CAPACITY, "tenant", "foreground")).toEqual({ granted: true });
    await budget.refund("tenant");
  }
});
