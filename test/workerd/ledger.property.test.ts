import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, expect, inject, it, vi } from "vitest";
import { LedgerStore } from "../../src/objects/ledger-store.ts";
import type { TenantLedger } from "../../src/objects/tenant-ledger.ts";
import { asOperator } from "./support.ts";

/**
 * The ledger against a simple model, by arbitrary sequences of creations, retries, answers, losses, reports of Stream,
 * cancellations, expiries and evictions: the counters are the sum of the rows, no limit is exceeded, and no key has two live
 * uploads. Behind it is the local Stream, which knows none of these videos.
 */

const LIMITS = { pending: 4, pendingPerCreator: 2, storedSeconds: 300, quota: { day: { uploads: 12 } } };
const uidOf = (id: string) => id.slice(1).padStart(32, "0");
/** Far away, so that no alarm comes by itself. */
const START = Date.UTC(2040, 10, 22, 23, 0, 0);
const LIFE_SECONDS = 1_800;
/** The ledger asks a minute after the URL has died. */
const DUE_SECONDS = LIFE_SECONDS + 60;
const stream = inject("stream");

interface Model {
  /** Live uploads: id → what it holds. */
  readonly live: Map<string, { key?: string; creator?: string; seconds: number; attached: boolean; due: number }>;
  made: number;
}
interface Real {
  readonly name: string;
}
type Command = fc.AsyncCommand<Model, Real>;

const stub = ({ name }: Real): DurableObjectStub<TenantLedger> => env.LEDGER.getByName(name);

/** What always holds, after every step. */
async function check(model: Model, real: Real): Promise<void> {
  const { totals, recounted, doubles } = await runInDurableObject(stub(real), (_, state) => {
    const store = new LedgerStore(state.storage);
    const now = Math.floor(Date.now() / 1000);
    const rows = state.storage.sql
      .exec(`SELECT idempotency FROM uploads WHERE state IN ('reserved', 'unknown', 'issued')
             AND idempotency IS NOT NULL GROUP BY idempotency HAVING count(*) > 1`)
      .toArray();
    return { totals: store.totals(now), recounted: store.recount(now), doubles: rows };
  });
  expect(totals).toEqual(recounted);
  expect(doubles).toEqual([]);
  expect(totals.pending).toBe(model.live.size);
  expect(totals.pending).toBeLessThanOrEqual(LIMITS.pending);
  expect(totals.storedSeconds).toBeLessThanOrEqual(LIMITS.storedSeconds);
  expect(totals.day.uploads).toBeLessThanOrEqual(LIMITS.quota.day.uploads);
}

class Reserve implements Command {
  readonly creator: string | undefined;
  readonly key: string | undefined;
  readonly seconds: number;
  constructor(creator: string | undefined, key: string | undefined, seconds: number) {
    this.creator = creator;
    this.key = key;
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `reserve(${this.creator}, ${this.key}, ${this.seconds})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${++model.made}`;
    const now = Math.floor(Date.now() / 1000);
    const outcome = await stub(real).reserve({
      id,
      version: 1,
      limits: LIMITS,
      upstream: "live",
      bytes: 10,
      seconds: this.seconds,
      expires: now + LIFE_SECONDS,
      ...(this.creator !== undefined && { creator: this.creator }),
      ...(this.key !== undefined && { idempotency: { key: this.key, fingerprint: "f", once: false } }),
    });
    const sameKey = [...model.live.values()].find(({ key }) => key !== undefined && key === this.key);
    if (sameKey) {
      expect(outcome.kind).toBe(sameKey.attached ? "replayed" : "refused");
    } else if (outcome.kind === "reserved") {
      model.live.set(id, {
        seconds: this.seconds,
        attached: false,
        due: now + DUE_SECONDS,
        ...(this.creator !== undefined && { creator: this.creator }),
        ...(this.key !== undefined && { key: this.key }),
      });
      const ofCreator = [...model.live.values()].filter(({ creator }) => creator === this.creator);
      if (this.creator !== undefined) expect(ofCreator.length).toBeLessThanOrEqual(LIMITS.pendingPerCreator);
    } else expect(outcome).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded" } });
    await check(model, real);
  }
}

/** What may happen to a reservation; `late` ones come for uploads that are gone as well. */
class Answer implements Command {
  readonly what: "attach" | "release" | "leaveUnknown";
  readonly which: number;
  constructor(what: "attach" | "release" | "leaveUnknown", which: number) {
    this.what = what;
    this.which = which;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `${this.what}(${this.which})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${(this.which % model.made) + 1}`;
    const live = model.live.get(id);
    if (this.what === "attach") {
      expect(await stub(real).attach(id, uidOf(id), "https://upload.example/1")).toBe(live !== undefined);
      if (live) live.attached = true;
    } else if (this.what === "leaveUnknown") {
      await stub(real).leaveUnknown(id);
      if (live && !live.attached) unknown.add(live);
    } else {
      await stub(real).release(id);
      if (live && !live.attached && !unknown.has(live)) model.live.delete(id);
    }
    await check(model, real);
  }
}
const unknown = new WeakSet<object>();

/** What Stream says of a video, in whatever order it comes; of uploads that never were, and of strangers, too. */
class Report implements Command {
  readonly kind: "pending" | "processing" | "ready" | "failed";
  readonly which: number;
  readonly tagged: boolean;
  constructor(kind: Report["kind"], which: number, tagged: boolean) {
    this.kind = kind;
    this.which = which;
    this.tagged = tagged;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `report(${this.kind}, ${this.which}, ${this.tagged ? "tagged" : "by uid"})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${(this.which % (model.made + 1)) + 1}`;
    const report = { kind: this.kind, uid: uidOf(id), seconds: 7 } as const;
    const tag = { tenant: real.name, uploadId: id };
    const known = await stub(real).record("live", { report, json: {}, ...(this.tagged && { tag }) });
    const live = model.live.get(id);
    if (live?.attached || (live && this.tagged)) expect(known).toBe(true);
    if (known && (this.kind === "ready" || this.kind === "failed")) model.live.delete(id);
    await check(model, real);
  }
}

class Cancel implements Command {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `cancel(${this.which})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${(this.which % model.made) + 1}`;
    const upload = await stub(real).cancel(id);
    if (model.live.delete(id)) expect(upload?.state).toBe("cancelled");
    await check(model, real);
  }
}

class Evict implements Command {
  check = (model: Model) => model.made > 0;
  toString = () => "evict";
  async run(model: Model, real: Real): Promise<void> {
    await evictDurableObject(stub(real));
    await check(model, real);
  }
}

/** Time passes, and the alarm comes: what is due is asked for, and is not there. */
class Wake implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `alarm after ${this.seconds} s`;

  async run(model: Model, real: Real): Promise<void> {
    vi.setSystemTime(Date.now() + this.seconds * 1_000);
    await runDurableObjectAlarm(stub(real));
    for (const [id, { due }] of model.live) if (due * 1_000 <= Date.now()) model.live.delete(id);
    await check(model, real);
  }
}

afterEach(() => void vi.useRealTimers());

it("keeps its books, whatever happens in whatever order", { timeout: 120_000 }, async () => {
  const creators = fc.constantFrom(undefined, "a", "b");
  const keys = fc.constantFrom(undefined, undefined, "k1", "k2");
  const commands = fc.commands(
    [
      fc.tuple(creators, keys, fc.constantFrom(10, 60, 100)).map((args) => new Reserve(...args)),
      fc.tuple(fc.constantFrom("attach", "release", "leaveUnknown"), fc.nat(30)).map((args) => new Answer(...args)),
      fc
        .tuple(fc.constantFrom("pending", "processing", "ready", "failed"), fc.nat(30), fc.boolean())
        .map((args) => new Report(...args)),
      fc.nat(30).map((which) => new Cancel(which)),
      fc.constant(new Evict()),
      fc.constantFrom(0, 600, DUE_SECONDS).map((seconds) => new Wake(seconds)),
    ],
    { maxCommands: 30 },
  );
  const { accountId, apiBase, uploadHost, token } = stream;
  await asOperator("PUT", "/upstreams/live", { accountId, apiBase, uploadHosts: [uploadHost], apiToken: token });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      // Its limit of calls begins anew.
      await fetch(`${stream.url}/_control/reset`, { method: "POST" });
      const name = `model-${++run}`;
      vi.useFakeTimers({ toFake: ["Date"], now: START + run * 86_400_000 });
      const setup = () => ({ model: { live: new Map(), made: 0 } as Model, real: { name } });
      await fc.asyncModelRun(setup, sequence);
    }),
    { numRuns: 60 },
  );
});
