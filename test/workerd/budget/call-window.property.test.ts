import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BACKGROUND_TENANT, WINDOW_SECONDS } from "../../../src/core/budget/rules/call-window.ts";
import type { UpstreamBudget } from "../../../src/durable-objects/upstream-budget.ts";
import { BudgetModel as Model } from "../../support/budget-model.ts";

/**
 * Compares the Durable Object with a simple model, by arbitrary sequences of calls, refunds, cool-downs, pauses, evictions and
 * changes of the capacity. After each step: no window exceeds the capacity, no call is granted during a cool-down, a tenant
 * within its share is granted whenever there is room, and only stored calls count after an eviction.
 */

const START = Date.UTC(2040, 10, 22, 12, 0, 0);

interface Real {
  readonly name: string;
}
type Command = fc.AsyncCommand<Model, Real>;

const stub = ({ name }: Real) => env.BUDGET.getByName(name);
const now = () => Date.now() / 1000;

/** A crowd of tenants with one call each: each is within its share, so together they use all room. */
const CROWD = "crowd";

/** Something a tenant does `times` times. */
abstract class OfTenant implements Command {
  abstract readonly verb: string;
  readonly tenant: string;
  readonly times: number;
  constructor(tenant: string, times: number) {
    this.tenant = tenant;
    this.times = times;
  }
  check = () => true;
  toString = () => `${this.times} × ${this.verb}(${this.tenant})`;
  abstract run(model: Model, real: Real): Promise<void>;
}

class Acquire extends OfTenant {
  readonly verb = "acquire";

  async run(model: Model, real: Real): Promise<void> {
    if (model.isEvicted) model.start(now());
    const callClass = this.tenant === BACKGROUND_TENANT ? "background" : "foreground";
    await runInDurableObject(stub(real), (budget: UpstreamBudget) => {
      for (let time = 0; time < this.times; time++) {
        const tenant = this.tenant === CROWD ? `${CROWD}-${now()}-${time}` : this.tenant;
        const retryAfterSeconds = budget.acquire(model.capacity, tenant, callClass);
        const isGranted = retryAfterSeconds === 0;
        expect(isGranted).toBe(model.decide(tenant, now()) ?? isGranted);
        if (!isGranted) {
          expect(retryAfterSeconds).toBeGreaterThan(0);
          expect(retryAfterSeconds).toBeLessThanOrEqual(Math.max(WINDOW_SECONDS, model.blockedUntil - now()) + 1);
          return;
        }
        model.grant(tenant, now());
        expect(model.made(now()).length).toBeLessThanOrEqual(model.capacity);
        expect(model.counted(now()).length).toBeGreaterThanOrEqual(model.made(now()).length);
      }
    });
  }
}

class Refund extends OfTenant {
  readonly verb = "refund";

  async run(model: Model, real: Real): Promise<void> {
    await runInDurableObject(stub(real), (budget: UpstreamBudget) => {
      for (let time = 0; time < this.times; time++) {
        budget.refund(this.tenant);
        model.refund(this.tenant);
      }
    });
  }
}

class SetCapacity implements Command {
  readonly capacity: number;
  constructor(capacity: number) {
    this.capacity = capacity;
  }
  check = () => true;
  toString = () => `capacity = ${this.capacity}`;
  run(model: Model): Promise<void> {
    model.capacity = this.capacity;
    return Promise.resolve();
  }
}

class Block implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `block(${this.seconds})`;
  async run(model: Model, real: Real): Promise<void> {
    await stub(real).close(this.seconds);
    model.blockedUntil = Math.max(model.blockedUntil, now() + this.seconds);
  }
}

class Pass implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `${this.seconds} s pass`;
  run(): Promise<void> {
    vi.setSystemTime(Date.now() + this.seconds * 1_000);
    return Promise.resolve();
  }
}

class Evict implements Command {
  check = () => true;
  toString = () => "evict";
  async run(model: Model, real: Real): Promise<void> {
    // Only a running object can be evicted. This call starts it, and changes nothing.
    await stub(real).refund("nobody");
    await evictDurableObject(stub(real));
    model.isEvicted = true;
  }
}

afterEach(() => void vi.useRealTimers());

describe("UpstreamBudget", () => {
  it("behaves like its model, after any sequence of commands", { timeout: 120_000 }, async () => {
    const tenants = fc.constantFrom("a", "b", "c", "d", BACKGROUND_TENANT);
    const times = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 }));
    const commands = fc.commands(
      [
        fc.tuple(tenants, times).map((args) => new Acquire(...args)),
        fc.constantFrom(1, 5, 100).map((size) => new Acquire(CROWD, size)),
        fc.tuple(tenants, times).map((args) => new Refund(...args)),
        fc.constantFrom(25, 50).map((capacity) => new SetCapacity(capacity)),
        fc.constantFrom(0.3, 30, 120, 299.8).map((seconds) => new Pass(seconds)),
        fc.constantFrom(5, 60).map((seconds) => new Block(seconds)),
        fc.constant(new Evict()),
      ],
      { maxCommands: 40, size: "max" },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const name = `model-${++run}`;
        vi.useFakeTimers({ toFake: ["Date"], now: START });
        await fc.asyncModelRun(() => ({ model: new Model(), real: { name } }), sequence);
      }),
      { numRuns: 200 },
    );
  });
});
