import { describe, expect, it } from "vitest";
import { acquireCall, acquireCalls } from "../../../src/core/budget/acquire-call.ts";
import { ok } from "../../../src/core/shared/result.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

const upstream = { id: "eu" } as Upstream;
const BUSY = { ok: false, problem: { code: "upstream_busy", retryAfterSeconds: 9 } };

function budgetOf(calls: number) {
  const budget = {
    calls,
    acquire: async () =>
      budget.calls-- > 0 ? { granted: true as const } : { granted: false as const, retryAfterSeconds: 9 },
    refund: async () => void budget.calls++,
  };
  return budget;
}

describe("acquireCall", () => {
  it("takes one call, and returns upstream_busy when there is none", async () => {
    const budget = budgetOf(1);
    expect(await acquireCall(budget, upstream, "acme", "foreground")).toEqual(ok(undefined));
    expect(await acquireCall(budget, upstream, "acme", "foreground")).toMatchObject(BUSY);
  });
});

describe("acquireCalls", () => {
  it("takes all calls", async () => {
    const budget = budgetOf(3);
    expect(await acquireCalls(budget, upstream, "acme", 3)).toEqual(ok(undefined));
    expect(budget.calls).toBe(0);
  });

  it("refunds the granted calls when one is refused", async () => {
    let refunds = 0;
    const budget = { ...budgetOf(2), refund: async () => void refunds++ };
    expect(await acquireCalls(budget, upstream, "acme", 3)).toMatchObject(BUSY);
    expect(refunds).toBe(2);
  });
});
