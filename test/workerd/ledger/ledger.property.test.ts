import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, expect, inject, it, vi } from "vitest";
import type { ReleaseCause } from "../../../src/core/quota/rules/reservation.ts";
import { type UploadState, isLive } from "../../../src/core/uploads/rules/upload-state.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { expectLedgerConsistent, reserve } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

/**
 * The ledger against a simple model, by arbitrary sequences of creations, retries, answers, losses, reports of Stream,
 * cancellations, expiries and evictions: each upload is in the state that the model says, the counters are the sum of the
 * rows, no limit is exceeded, and no key or grant has two uploads that are live or finished. Behind it is the local Stream,
 * which knows none of these videos.
 */

const LIMITS = { pending: 4, pendingPerCreator: 2, storedSeconds: 300, quota: { day: { uploads: 12 } } };
const uidOf = (id: string) => id.slice(1).padStart(32, "0");
/** Far away, so that no alarm comes by itself. */
const START = Date.UTC(2040, 10, 22, 23, 0, 0);
const LIFE_SECONDS = 1_800;
/** The ledger asks a minute after the URL has died. */
const DUE_SECONDS = LIFE_SECONDS + 60;
/** A URL that lives no longer than that is not given again. */
const MARGIN_SECONDS = 60;
/** The longest that a creation may be on its way. */
const ON_ITS_WAY_SECONDS = 60;
const stream = inject("stream");
const now = () => Math.floor(Date.now() / 1000);

interface Made {
  state: UploadState;
  readonly key: string | undefined;
  readonly fingerprint: string;
  readonly creator: string | undefined;
  readonly created: number;
  /** Stream has spoken of its video after it had said that there is none, or that nothing came of it. */
  cameBack: boolean;
}
interface Model {
  /** Every upload that was made, but for those that were released. */
  readonly uploads: Map<string, Made>;
  /** What each key stands for. */
  readonly keys: Map<string, string>;
  made: number;
}
interface Real {
  readonly name: string;
}
type Command = fc.AsyncCommand<Model, Real>;

const stub = ({ name }: Real): DurableObjectStub<TenantLedger> => env.LEDGER.getByName(name);
const isGrant = (key: string) => key.startsWith("grant");
const isDead = ({ state }: Made) => state === "expired" || state === "cancelled";
const liveOnes = (model: Model) => [...model.uploads.values()].filter(({ state }) => isLive(state));

/** What always holds, after every step. */
async function check(model: Model, real: Real): Promise<void> {
  await expectLedgerConsistent(stub(real));
  const states = await runInDurableObject(stub(real), (_, { storage }) =>
    storage.sql.exec<{ id: string; state: UploadState }>("SELECT id, state FROM uploads").toArray(),
  );
  expect(new Map(states.map(({ id, state }) => [id, state]))).toEqual(
    new Map([...model.uploads].map(([id, { state }]) => [id, state])),
  );
  for (const wanted of model.keys.keys()) {
    const ofKey = [...model.uploads.values()].filter(({ key, cameBack }) => key === wanted && !cameBack);
    expect(ofKey.filter((upload) => !isDead(upload)).length).toBeLessThanOrEqual(1);
  }
  const totals = await stub(real).usage();
  expect(totals.pending).toBe(liveOnes(model).length);
  expect(totals.pending).toBeLessThanOrEqual(LIMITS.pending);
  expect(totals.storedSeconds).toBeLessThanOrEqual(LIMITS.storedSeconds);
  expect(totals.day.uploads).toBeLessThanOrEqual(LIMITS.quota.day.uploads);
}

/** The answer to a creation whose key stands for an upload; undefined: another may take its place. */
function answerTo(id: string, upload: Made, key: string, fingerprint: string): object | undefined {
  const refused = (code: string, more = {}) => ({
    kind: "refused",
    problem: expect.objectContaining({ code, ...more }),
  });
  if (fingerprint !== upload.fingerprint && (isGrant(key) || !isDead(upload))) return refused("idempotency_key_reused");
  if (isDead(upload)) return undefined;
  if (!isLive(upload.state)) return refused(isGrant(key) ? "grant_used" : "idempotency_key_reused");
  const age = now() - upload.created;
  if (upload.state === "issued" && age < LIFE_SECONDS - MARGIN_SECONDS)
    return expect.objectContaining({ kind: "replayed", id, uid: uidOf(id) });
  const isOnItsWay = upload.state === "reserved" && age < ON_ITS_WAY_SECONDS;
  return refused("creation_in_progress", { retryAfterSeconds: isOnItsWay ? 1 : Math.max(1, DUE_SECONDS - age) });
}

class Reserve implements Command {
  readonly creator: string | undefined;
  readonly key: string | undefined;
  readonly fingerprint: string;
  readonly seconds: number;
  constructor(creator: string | undefined, key: string | undefined, fingerprint: string, seconds: number) {
    this.creator = creator;
    this.key = key;
    this.fingerprint = fingerprint;
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `reserve(${this.creator}, ${this.key}, ${this.fingerprint}, ${this.seconds})`;

  async run(model: Model, real: Real): Promise<void> {
    const { creator, key, fingerprint, seconds } = this;
    const id = `u${++model.made}`;
    const outcome = await reserve(stub(real), {
      id,
      version: 1,
      limits: LIMITS,
      upstream: "live",
      bytes: 10,
      seconds,
      expires: now() + LIFE_SECONDS,
      ...(creator !== undefined && { creator }),
      ...(key !== undefined && { idempotency: { key, fingerprint, once: isGrant(key) } }),
    });
    const earlier = key === undefined ? undefined : model.keys.get(key);
    const upload = earlier === undefined ? undefined : model.uploads.get(earlier);
    const answer = earlier && upload && key && answerTo(earlier, upload, key, fingerprint);
    if (answer) expect(outcome).toEqual(answer);
    else if (outcome.kind === "reserved") {
      model.uploads.set(id, { state: "reserved", key, fingerprint, creator, created: now(), cameBack: false });
      if (key !== undefined) model.keys.set(key, id);
      const ofCreator = liveOnes(model).filter((live) => live.creator === creator);
      if (creator !== undefined) expect(ofCreator.length).toBeLessThanOrEqual(LIMITS.pendingPerCreator);
    } else expect(outcome).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded" } });
    await check(model, real);
  }
}

/** What may happen to a reservation; `late` ones come for uploads that are gone as well. */
class Answer implements Command {
  readonly what: "attach" | "leaveUnknown" | "discard" | ReleaseCause;
  readonly which: number;
  constructor(what: Answer["what"], which: number) {
    this.what = what;
    this.which = which;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `${this.what}(${this.which})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${(this.which % model.made) + 1}`;
    const upload = model.uploads.get(id);
    const live = upload && isLive(upload.state) ? upload : undefined;
    if (this.what === "attach") {
      expect(await stub(real).attach(id, uidOf(id), "https://upload.example/1")).toBe(live !== undefined);
      if (live) live.state = "issued";
    } else if (this.what === "leaveUnknown") {
      await stub(real).leaveUnknown(id);
      if (live?.state === "reserved") live.state = "unknown";
    } else if (this.what === "discard") {
      await stub(real).discard(id, uidOf(id));
      if (upload) upload.state = cancelledState(upload.state);
    } else {
      await stub(real).release(id, this.what);
      if (live?.state === "reserved") model.uploads.delete(id);
    }
    await check(model, real);
  }
}

/** What Stream says of a video, in whatever order it comes; of uploads that never were, and of strangers, too. */
class Report implements Command {
  readonly kind: "pending" | "processing" | "ready" | "failed";
  readonly which: number;
  readonly tagged: boolean;
  /** Undefined: it does not say. */
  readonly seconds: number | undefined;
  constructor(kind: Report["kind"], which: number, tagged: boolean, seconds: number | undefined) {
    this.kind = kind;
    this.which = which;
    this.tagged = tagged;
    this.seconds = seconds;
  }
  check = (model: Model) => model.made > 0;
  toString = () => `report(${this.kind}, ${this.which}, ${this.tagged ? "tagged" : "by uid"}, ${this.seconds})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = `u${(this.which % (model.made + 1)) + 1}`;
    const { kind, seconds } = this;
    const report = { kind, uid: uidOf(id), ...(seconds !== undefined && { seconds }) } as const;
    const tag = { tenant: real.name, uploadId: id };
    const known = await stub(real).record("live", { report, json: {}, ...(this.tagged && { tag }) });
    const upload = model.uploads.get(id);
    if (upload && (this.tagged || upload.state === "issued")) expect(known).toBe(true);
    if (!upload) expect(known).toBe(false);
    else if (known) {
      const state = stateAfter(upload.state, this.kind);
      upload.cameBack ||= isDead(upload) && state !== upload.state;
      upload.state = state;
    }
    await check(model, real);
  }
}

function stateAfter(state: UploadState, kind: Report["kind"]): UploadState {
  if (kind === "ready") return state === "cancelled" || state === "deleted" ? "deleted" : "ready";
  return kind === "failed" && (isLive(state) || state === "expired") ? "failed" : state;
}

function cancelledState(state: UploadState): UploadState {
  return state === "ready" || state === "deleted" ? "deleted" : "cancelled";
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
    const cancelled = await stub(real).cancel(id, Infinity);
    const upload = model.uploads.get(id);
    if (upload) upload.state = cancelledState(upload.state);
    expect(cancelled).toEqual(upload && expect.objectContaining({ state: upload.state }));
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
    for (const upload of liveOnes(model)) if (upload.created + DUE_SECONDS <= now()) upload.state = "expired";
    await check(model, real);
  }
}

afterEach(() => void vi.useRealTimers());

it("keeps its books, whatever happens in whatever order", { timeout: 120_000 }, async () => {
  const creators = fc.constantFrom(undefined, "a", "b");
  const keys = fc.constantFrom(undefined, "key 1", "key 2", "grant 1", "grant 2");
  // Most of the time it is the same creation that comes again.
  const fingerprints = fc.constantFrom("f", "f", "f", "g");
  // Their sums are no whole milliseconds, as numbers are added.
  const seconds = fc.constantFrom(undefined, 7, 7.1, 7.401, 6.6, 3.333);
  const commands = fc.commands(
    [
      fc.tuple(creators, keys, fingerprints, fc.constantFrom(10, 60, 100)).map((args) => new Reserve(...args)),
      fc
        .tuple(fc.constantFrom("attach", "refused", "unsent", "leaveUnknown", "discard"), fc.nat(30))
        .map((args) => new Answer(...args)),
      fc
        .tuple(fc.constantFrom("pending", "processing", "ready", "failed"), fc.nat(30), fc.boolean(), seconds)
        .map((args) => new Report(...args)),
      fc.nat(30).map((which) => new Cancel(which)),
      fc.constant(new Evict()),
      fc
        .constantFrom(0, ON_ITS_WAY_SECONDS, LIFE_SECONDS - MARGIN_SECONDS, LIFE_SECONDS, DUE_SECONDS)
        .map((seconds) => new Wake(seconds)),
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
      const setup = () => ({ model: { uploads: new Map(), keys: new Map(), made: 0 } as Model, real: { name } });
      await fc.asyncModelRun(setup, sequence);
    }),
    { numRuns: 60 },
  );
});
