import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { WINDOW_SECONDS } from "../../src/domain/budget.ts";

/**
 * The budget's object against a simple model, by arbitrary sequences of calls, refunds, pauses, time and evictions: never
 * more calls in any window than there are, none while the gate is closed, and a tenant within its share is not refused.
 */

const CAPACITY = 40;
const START = Date.UTC(2040, 10, 22, 12, 0, 0);

interface Model {
  /** Calls that were granted and not refunded, in order; times in seconds. */
  calls: { readonly tenant: string; readonly at: number }[];
  closedUntil: number;
  /** An evicted object starts anew with its next call. */
  isEvicted: boolean;
  /** When the object last started anew: whose its calls were, and how many of the last block were made, was lost. */
  startedAnew: number;
}
interface Real {
  readonly name: string;
}
type Command = fc.AsyncCommand<Model, Real>;

const stub = ({ name }: Real) => env.BUDGET.getByName(name);
const now = () => Date.now() / 1000;
const inWindow = <T extends { readonly at: number }>(calls: readonly T[]) =>
  calls.filter(({ at }) => at > now() - WINDOW_SECONDS);

class Acquire implements Command {
  readonly tenant: string;
  readonly times: number;
  readonly background: boolean;
  constructor(tenant: string, times: number, background: boolean) {
    this.tenant = tenant;
    this.times = times;
    this.background = background;
  }
  check = () => true;
  toString = () => `${this.times} × acquire(${this.tenant}${this.background ? ", background" : ""})`;

  async run(model: Model, real: Real): Promise<void> {
    if (model.isEvicted) model.startedAnew = now();
    model.isEvicted = false;
    for (let time = 0; time < this.times; time++) {
      const before = inWindow(model.calls);
      const grant = await stub(real).acquire(CAPACITY, this.tenant, this.background ? "background" : "foreground");
      if (grant.granted) {
        expect(now()).toBeGreaterThanOrEqual(model.closedUntil);
        model.calls.push({ tenant: this.tenant, at: now() });
        expect(inWindow(model.calls).length).toBeLessThanOrEqual(CAPACITY);
      } else {
        expect(grant.retryAfterSeconds).toBeGreaterThan(0);
        expect(grant.retryAfterSeconds).toBeLessThanOrEqual(Math.max(WINDOW_SECONDS, model.closedUntil - now()) + 1);
        this.#mayBeRefused(model, before);
      }
    }
  }

  /** Beyond its share, for background work, while the gate is closed, and for a window after the object started anew. */
  #mayBeRefused(model: Model, before: Model["calls"]): void {
    if (this.background || now() < model.closedUntil || now() < model.startedAnew + WINDOW_SECONDS) return;
    const active = new Set([...before.map(({ tenant }) => tenant), this.tenant]).size;
    const own = before.filter(({ tenant }) => tenant === this.tenant).length;
    const isWithinShare = own + 1 <= CAPACITY / (active + 1);
    if (isWithinShare) expect(before.length).toBe(CAPACITY);
  }
}

class Refund implements Command {
  check = ({ calls }: Model) => calls.length > 0;
  toString = () => "refund";
  async run(model: Model, real: Real): Promise<void> {
    const last = model.calls.at(-1);
    if (!last || last.at < now() - 1) return;
    await stub(real).refund(last.tenant);
    model.calls.pop();
  }
}

class Close implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `close(${this.seconds})`;
  async run(model: Model, real: Real): Promise<void> {
    await stub(real).close(this.seconds);
    model.closedUntil = Math.max(model.closedUntil, now() + this.seconds);
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
    // Only an object that runs can be evicted; this changes nothing.
    await stub(real).refund("nobody");
    await evictDurableObject(stub(real));
    model.isEvicted = true;
  }
}

afterEach(() => void vi.useRealTimers());

it("is never overdrawn and fair, whatever happens in whatever order", { timeout: 120_000 }, async () => {
  const tenants = fc.constantFrom("a", "b", "c", "d");
  const commands = fc.commands(
    [
      fc.tuple(tenants, fc.integer({ min: 1, max: 40 }), fc.constant(false)).map((args) => new Acquire(...args)),
      fc.tuple(tenants, fc.integer({ min: 1, max: 10 }), fc.boolean()).map((args) => new Acquire(...args)),
      fc.constant(new Refund()),
      fc.constantFrom(1, 30, 120, 301).map((seconds) => new Pass(seconds)),
      fc.constantFrom(5, 60).map((seconds) => new Close(seconds)),
      fc.constant(new Evict()),
    ],
    { maxCommands: 25 },
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const name = `model-${++run}`;
      vi.useFakeTimers({ toFake: ["Date"], now: START });
      const model: Model = { calls: [], closedUntil: 0, isEvicted: false, startedAnew: 0 };
      await fc.asyncModelRun(() => ({ model, real: { name } }), sequence);
    }),
    { numRuns: 150 },
  );
});
