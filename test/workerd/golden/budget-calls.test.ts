import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { announcePlan, createBudget } from "../../../src/adapters/durable-objects/budget-client.ts";
import type { Budget } from "../../../src/core/ports/budget.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import calls from "./budget-calls.json";
import { GOLDEN_TIME, objectAnswering, replay } from "./golden.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 }));
afterEach(() => void vi.useRealTimers());

describe("UpstreamBudget, called by an older Worker", () => {
  it("accepts the arguments of each call and answers in the same shape", async () => {
    const budget = env.BUDGET.getByName("golden");
    for (const call of calls) expect(await replay(budget, call), call.name).toStrictEqual(call.answer);
  });
});

const upstream = { id: "golden", callsPerWindow: 2 } as Upstream;

/** From version 0.2 on. Its names stay, as those of the golden file. */
describe("the calls of plans", () => {
  it("have these arguments and answers", async () => {
    const sent: unknown[] = [];
    const acquire = (plan: { id: string; version: number }) =>
      createBudget(objectAnswering(-1, sent as []) as Env["BUDGET"]).acquire(upstream, "acme", "foreground", plan);
    expect(await acquire({ id: "free", version: 7 })).toMatchObject({ granted: false, isStale: true });
    await announcePlan(objectAnswering(7, sent as []) as Env["BUDGET"], "free", 7, ["eu"]);
    expect(sent).toEqual([
      { method: "acquire", arguments: [2, "acme", "foreground", { id: "free", version: 7 }] },
      { method: "learnPlan", arguments: ["free", 7] },
    ]);
    const object = env.BUDGET.getByName("plans");
    expect(await object.learnPlan("free", 8)).toBe(8);
    expect(await object.acquire(2, "acme", "foreground", { id: "free", version: 7 })).toBe(-1);
  });
});

describe("createBudget, answered by an older object", () => {
  it.each<[name: string, call: (budget: Budget) => Promise<unknown>, result: unknown]>([
    ["granted call", (budget) => budget.acquire(upstream, "acme", "foreground"), { granted: true }],
    [
      "refused background call",
      (budget) => budget.acquire(upstream, "*", "background"),
      { granted: false, retryAfterSeconds: 300 },
    ],
    ["call that was not made", (budget) => budget.refund(upstream, "acme"), undefined],
    ["rate limit of the upstream", (budget) => budget.block(upstream, 30), undefined],
  ])("sends the same arguments and reads the answer: %s", async (name, call, result) => {
    const golden = calls.find((one) => one.name === name);
    const sent: { method: string; arguments: unknown[] }[] = [];
    const namespace = objectAnswering(golden?.answer, sent) as Env["BUDGET"];
    expect(await call(createBudget(namespace))).toEqual(result);
    expect(sent).toEqual([{ method: golden?.method, arguments: golden?.arguments }]);
  });
});
