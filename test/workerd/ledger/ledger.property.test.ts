import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { v7 as uuidv7 } from "uuid";
import { afterEach, describe, expect, inject, it, vi } from "vitest";
import type { EditStartOutcome } from "../../../src/core/quota/rules/edit-reservation.ts";
import type { ReleaseCause } from "../../../src/core/quota/rules/reservation.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import { timestampOf } from "../../../src/core/uploads/rules/upload-id.ts";
import { type UploadState, isLive } from "../../../src/core/uploads/rules/upload-state.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { expectLedgerConsistent, now, reservationRequest, reserve, streamVideo, tagged } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

/**
 * Runs arbitrary sequences of creations, retries, answers, losses, Stream reports, edits, cancellations, expiries and evictions
 * against the ledger and a simple model. Checks that each upload has the state of the model, the totals are the sum of the
 * rows, no limit is exceeded, no key has two uploads that are live or finished, no grant has more than it is for, lost
 * creations that have ended count for nothing, and a tag proves nothing unless it is signed and its video of the upload's time.
 * The local Stream has none of these videos.
 */

const LIMITS = { pending: 4, pendingPerCreator: 2, storedSeconds: 300, quota: { day: { uploads: 12 } } };
const uidOf = (id: string) => id.replaceAll("-", "");
const otherUidOf = (id: string) => `f${uidOf(id).slice(1)}`;
/** Far in the future, so that no alarm runs by itself. */
const START = Date.UTC(2040, 10, 22, 23, 59, 30);
const LIFE_SECONDS = 1_800;
/** An upload is due one minute after its URL expired. */
const DUE_SECONDS = LIFE_SECONDS + 60;
/** A URL that expires within this time is not replayed. */
const MARGIN_SECONDS = 60;
/** A repeat supersedes a creation that has no answer after this time. */
const ANSWER_SECONDS = 15;
/** One request may ask about an expiring upload in this time. */
const LOCK_SECONDS = 15;
/** The alarm marks a creation as lost after this time, and lets it expire after the other. */
const UNANSWERED_SECONDS = 60;
const LOST_SECONDS = 90;
/** The greatest distance between the times of an upload's id and of its video. */
const TAG_SECONDS = 600;
const stream = inject("stream");

interface ModelUpload {
  state: UploadState;
  readonly key: string | undefined;
  readonly fingerprint: string;
  readonly creator: string | undefined;
  readonly created: number;
  /** Start of the day that it counts for: an edit may make that a later one. */
  day: number;
  /** When the alarm asks about it, if not when its URL has expired. */
  due: number | undefined;
  /** Until when an edit keeps others waiting. */
  editedUntil: number;
  /** The ledger knows the uid of its video. */
  hasUid: boolean;
  /** The answer to its creation was lost. */
  lost: boolean;
  /** From when on a lost one is waited for. */
  lostAt: number;
  askedUntil: number;
  /** Stream certainly made no video for it. */
  hasNoVideo: boolean;
  /** Stream reported its video after the upload had expired or was cancelled. */
  reappeared: boolean;
}
interface Model {
  /** Every upload that was created, except released ones. */
  readonly uploads: Map<string, ModelUpload>;
  /** The latest upload id of each key. */
  readonly keys: Map<string, string>;
  /** All ids, also of refused creations. */
  readonly ids: string[];
}
interface Real {
  readonly name: string;
}
type Command = fc.AsyncCommand<Model, Real>;

const stub = ({ name }: Real): DurableObjectStub<TenantLedger> => env.LEDGER.getByName(name);
/** By the prefix of its keys: how many uploads each grant is for. */
const GRANTS: Readonly<Record<string, number>> = { "grant 1/": 1, "grant 2/": 2 };
const grantOf = (key: string) => (key.startsWith("grant") ? key.slice(0, key.indexOf("/") + 1) : undefined);
const isDead = ({ state }: ModelUpload) => state === "expired" || state === "cancelled";
/** No client has its URL, and it is not waited for any longer. */
const isFree = (upload: ModelUpload) =>
  isDead(upload) ||
  upload.state === "unknown" ||
  (upload.state === "reserved" && Math.abs(now() - upload.created) >= ANSWER_SECONDS);
/** A client can reach it, or it is finished. */
const isUsed = (upload: ModelUpload) => !isFree(upload);
/** The uploads that hold a key of the grant. */
const holdersOf = (model: Model, grant: string) =>
  [...model.keys].flatMap(([key, id]) => (grantOf(key) === grant ? (model.uploads.get(id) ?? []) : []));
const liveOnes = (model: Model) => [...model.uploads.values()].filter(({ state }) => isLive(state));

/** The invariants, checked after every step. */
async function check(model: Model, real: Real): Promise<void> {
  await expectLedgerConsistent(stub(real));
  const states = await runInDurableObject(stub(real), (_, { storage }) =>
    storage.sql.exec<{ id: string; state: UploadState; due: number }>("SELECT id, state, due FROM uploads").toArray(),
  );
  expect(new Map(states.map(({ id, state }) => [id, state]))).toEqual(
    new Map([...model.uploads].map(([id, { state }]) => [id, state])),
  );
  // The alarm frees every reservation at some time.
  for (const { state, due } of states) if (isLive(state)) expect(due).not.toBeNull();
  for (const key of new Set([...model.uploads.values()].map((upload) => upload.key))) {
    if (key === undefined) continue;
    const ofKey = [...model.uploads.values()].filter((upload) => upload.key === key && !upload.reappeared);
    expect(ofKey.filter((upload) => !isDead(upload)).length).toBeLessThanOrEqual(1);
  }
  for (const [grant, uploads] of Object.entries(GRANTS)) {
    const ofGrant = [...model.uploads.values()].filter(
      (upload) => upload.key !== undefined && grantOf(upload.key) === grant && !upload.reappeared,
    );
    expect(ofGrant.filter(isUsed).length).toBeLessThanOrEqual(uploads);
  }
  const totals = await stub(real).usage();
  expect(totals.pending).toBe(liveOnes(model).length);
  expect(totals.pending).toBeLessThanOrEqual(LIMITS.pending);
  expect(totals.storedSeconds).toBeLessThanOrEqual(LIMITS.storedSeconds);
  expect(totals.day.uploads).toBeLessThanOrEqual(LIMITS.quota.day.uploads);
  const today = [...model.uploads.values()].filter(
    (upload) => upload.day >= totals.day.start && !(upload.lost && isDead(upload)),
  );
  expect(totals.day.uploads).toBe(today.length);
}

/** The expected outcome of a creation with a key. @returns undefined if a new upload may have the key */
function answerTo(model: Model, key: string, fingerprint: string): object | undefined {
  const id = model.keys.get(key) ?? "";
  const upload = model.uploads.get(id);
  const grant = grantOf(key);
  const refused = (code: string, more = {}) => ({
    kind: "refused",
    problem: expect.objectContaining({ code, ...more }),
  });
  const holder = upload && !isFree(upload) ? upload : undefined;
  const isSame = holder?.fingerprint === fingerprint;
  const isFull = grant && holdersOf(model, grant).filter(isUsed).length >= (GRANTS[grant] ?? 0);
  if (!isSame && isFull) return refused("grant_used");
  if (!holder) return undefined;
  if (!isSame) return refused("idempotency_key_reused");
  if (!isLive(holder.state)) return refused(grant ? "grant_used" : "idempotency_key_reused");
  if (holder.state === "reserved") return { kind: "in progress" };
  if (now() - holder.created < LIFE_SECONDS - MARGIN_SECONDS)
    return expect.objectContaining({ kind: "replayed", id, uid: uidOf(id) });
  if (holder.askedUntil > now()) return refused("creation_in_progress", { retryAfterSeconds: 2 });
  holder.askedUntil = now() + LOCK_SECONDS;
  return { kind: "expiring", upload: expect.objectContaining({ id, uid: uidOf(id) }) };
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
    const id = uuidv7({ msecs: Date.now() });
    model.ids.push(id);
    const grant = key === undefined ? undefined : grantOf(key);
    const outcome = await reserve(stub(real), {
      ...reservationRequest({
        id,
        limits: LIMITS,
        upstream: "live",
        bytes: 10,
        seconds,
        expires: now() + LIFE_SECONDS,
        answerSeconds: ANSWER_SECONDS,
      }),
      ...(creator !== undefined && { creator }),
      ...(key !== undefined && {
        idempotency: {
          key,
          fingerprint,
          once: grant !== undefined,
          ...(grant && { perGrant: { prefix: grant, uploads: GRANTS[grant] ?? 0 } }),
        },
      }),
    });
    const answer = key === undefined ? undefined : answerTo(model, key, fingerprint);
    if (answer) expect(outcome).toEqual(answer);
    else if (outcome.kind === "reserved") {
      const earlier = key === undefined ? undefined : model.uploads.get(model.keys.get(key) ?? "");
      for (const upload of new Set([...(earlier ? [earlier] : []), ...(grant ? holdersOf(model, grant) : [])]))
        if (isLive(upload.state) && isFree(upload)) supersede(model, upload);
      const started = {
        state: "reserved",
        hasUid: false,
        lost: false,
        lostAt: 0,
        hasNoVideo: false,
        askedUntil: 0,
        due: undefined,
        editedUntil: 0,
        reappeared: false,
      } as const;
      const { day } = await stub(real).usage();
      model.uploads.set(id, { ...started, key, fingerprint, creator, created: now(), day: day.start });
      if (key !== undefined) model.keys.set(key, id);
      const ofCreator = liveOnes(model).filter((live) => live.creator === creator);
      if (creator !== undefined) expect(ofCreator.length).toBeLessThanOrEqual(LIMITS.pendingPerCreator);
    } else expect(outcome).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded" } });
    await check(model, real);
  }
}

function supersede(model: Model, upload: ModelUpload): void {
  [upload.state, upload.lost] = ["cancelled", true];
  for (const [key, id] of model.keys) if (model.uploads.get(id) === upload) model.keys.delete(key);
}

/** An answer to a creation; it may also come for uploads that no longer exist. */
class Answer implements Command {
  readonly what: "attach" | "leaveUnknown" | "discard" | ReleaseCause;
  readonly which: number;
  constructor(what: Answer["what"], which: number) {
    this.what = what;
    this.which = which;
  }
  check = (model: Model) => model.ids.length > 0;
  toString = () => `${this.what}(${this.which})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = model.ids[this.which % model.ids.length] ?? "";
    const upload = model.uploads.get(id);
    const live = upload && isLive(upload.state) ? upload : undefined;
    if (this.what === "attach") {
      const isIssued = upload !== undefined && ["reserved", "issued", "ready", "failed"].includes(upload.state);
      expect(await stub(real).attach(id, uidOf(id), "https://upload.example/1")).toBe(isIssued);
      if (upload?.state === "reserved") [upload.state, upload.hasUid] = ["issued", true];
      else if (upload && isFree(upload)) makeUnreachable(upload);
    } else if (this.what === "leaveUnknown") {
      await stub(real).leaveUnknown(id);
      if (upload && upload.state !== "issued") lose(upload);
    } else if (this.what === "discard") {
      await stub(real).discard(id, uidOf(id));
      if (upload) makeUnreachable(upload);
    } else {
      await stub(real).release(id, this.what);
      if (live?.state === "reserved") model.uploads.delete(id);
      if (live?.state === "unknown") live.state = "expired";
      if (upload) upload.hasNoVideo = true;
    }
    await check(model, real);
  }
}

function lose(upload: ModelUpload): void {
  if (upload.hasUid) return makeUnreachable(upload);
  upload.lost = true;
  upload.lostAt = Math.min(upload.created, now());
  if (upload.state === "reserved") upload.state = "unknown";
}

function makeUnreachable(upload: ModelUpload): void {
  upload.lost ||= upload.state !== "issued";
  upload.hasUid = true;
  upload.state = cancelledState(upload.state);
}

/** What Stream says of a video, by any way, in any order; also of uploads that never existed, and of videos with a copied tag. */
interface Report {
  readonly kind: "pending" | "processing" | "ready" | "failed";
  readonly which: number;
  readonly by: "record" | "compare" | "recordSearch";
  readonly tag: "signed" | "unsigned" | "wrongly signed" | "of another tenant" | "none";
  /** From the id of the upload to the video. */
  readonly distance: number;
  readonly isCopy: boolean;
  /** Undefined if Stream does not report it. */
  readonly seconds: number | undefined;
}

class Reported implements Command {
  readonly report: Report;
  constructor(report: Report) {
    this.report = report;
  }
  check = (model: Model) => model.ids.length > 0;
  toString = () => `report(${JSON.stringify(this.report)})`;

  async run(model: Model, real: Real): Promise<void> {
    const { kind, which, by, tag, distance, isCopy, seconds } = this.report;
    const id = model.ids[which % (model.ids.length + 1)] ?? uuidv7({ msecs: Date.now() });
    const upload = model.uploads.get(id);
    const isProof = tag === "signed" && Math.abs(distance) <= TAG_SECONDS;
    // The first video with a timely tag is the upload's; one that no upload has is imported.
    if (isProof && (upload ? isCopy && !upload.hasUid : by === "compare")) return;

    const uid = isCopy ? otherUidOf(id) : uidOf(id);
    const video: StreamVideo = {
      report: { kind, uid, ...(seconds !== undefined && { seconds }) },
      json: {},
      ...(await tagOf(tag, real.name, id)),
      created: timestampOf(id) + distance,
    };
    const belongs = upload !== undefined && (upload.hasUid ? !isCopy : isProof);
    if (by === "record") expect(await stub(real).record("live", video)).toBe(belongs);
    else if (by === "recordSearch") await stub(real).recordSearch("live", { from: 0, to: -1, videos: [video] });
    // No upload is of this time, so none misses its video.
    else expect(await stub(real).compare("live", { from: 0, to: 0, videos: [video] })).toMatchObject({ adopted: 0 });

    const isApplied = belongs && (by !== "recordSearch" || (upload.lost && !upload.hasUid));
    if (isApplied && upload.lost) makeUnreachable(upload);
    else if (isApplied) {
      upload.hasUid = true;
      const state = stateAfter(upload.state, kind);
      upload.reappeared ||= isDead(upload) && state !== upload.state;
      upload.state = state;
    }
    await check(model, real);
  }
}

async function tagOf(tag: Report["tag"], name: string, id: string): Promise<Pick<StreamVideo, "tag">> {
  switch (tag) {
    case "signed":
      return tagged({ name }, id);
    case "of another tenant":
      return tagged({ name: "other" }, id);
    case "wrongly signed":
      return { tag: { tenant: name, uploadId: id, mac: "A".repeat(16) } };
    case "unsigned":
      return { tag: { tenant: name, uploadId: id } };
    default:
      return {};
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
  check = (model: Model) => model.ids.length > 0;
  toString = () => `cancel(${this.which})`;

  async run(model: Model, real: Real): Promise<void> {
    const id = model.ids[this.which % model.ids.length] ?? "";
    const cancelled = await stub(real).cancel(id, Infinity);
    const upload = model.uploads.get(id);
    if (upload) upload.state = cancelledState(upload.state);
    expect(cancelled).toEqual(upload && expect.objectContaining({ state: upload.state }));
    await check(model, real);
  }
}

const EDIT_LOCK_SECONDS = 60;
const EDIT_CHECK_SECONDS = 30;
const EDITED: ReadonlySet<UploadState> = new Set(["issued", "ready", "failed"]);

/** An edit of the duration, or of something that does not concern the ledger; and how it ends. */
class Edit implements Command {
  readonly which: number;
  readonly seconds: number | undefined;
  readonly end: "agreed" | "refused" | "lost" | "killed";
  constructor(which: number, seconds: number | undefined, end: Edit["end"]) {
    this.which = which;
    this.seconds = seconds;
    this.end = end;
  }
  check = (model: Model) => model.ids.length > 0;
  toString = () => `edit(${this.which}, ${this.seconds}, ${this.end})`;

  async run(model: Model, real: Real): Promise<void> {
    const { seconds, end } = this;
    const id = model.ids[this.which % model.ids.length] ?? "";
    const upload = model.uploads.get(id);
    const change = seconds !== undefined && { seconds };
    const json = await stub(real).beginEdit({ id, version: Infinity, limits: LIMITS, ...change });
    const started = JSON.parse(json) as EditStartOutcome;
    const refused = (code: string) => expect(started).toMatchObject({ kind: "refused", problem: { code } });
    if (!upload || !EDITED.has(upload.state)) refused("not_found");
    else if (change && upload.state !== "issued") refused("upload_not_pending");
    else if (upload.editedUntil > now()) refused("edit_in_progress");
    else if (started.kind === "begun") {
      const { day } = await stub(real).usage();
      if (change && change.seconds > started.seconds) upload.day = Math.max(upload.day, day.start);
      upload.due = now() + EDIT_LOCK_SECONDS;
      if (end === "killed") upload.editedUntil = upload.due;
      else await this.#finish(real, id, upload, started.seconds);
    } else refused("limit_exceeded");
    await check(model, real);
  }

  async #finish(real: Real, id: string, upload: ModelUpload, before: number): Promise<void> {
    upload.editedUntil = 0;
    upload.due = now() + EDIT_CHECK_SECONDS;
    if (this.end === "lost") await stub(real).endEdit(id, {});
    else {
      const seconds = this.end === "agreed" ? (this.seconds ?? before) : before;
      await stub(real).endEdit(id, { video: streamVideo(uidOf(id), "processing", { json: {} }), seconds });
      const isLive = upload.state === "issued";
      upload.due = isLive ? Math.max(upload.created + LIFE_SECONDS, now()) + 60 : undefined;
    }
  }
}

class Evict implements Command {
  check = (model: Model) => model.ids.length > 0;
  toString = () => "evict";
  async run(model: Model, real: Real): Promise<void> {
    await evictDurableObject(stub(real));
    // Locks are in memory.
    for (const upload of model.uploads.values()) upload.editedUntil = 0;
    await check(model, real);
  }
}

/** Time passes and the alarm runs: the videos of due uploads do not exist at Stream. */
class Wake implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = (model: Model) => model.ids.length > 0;
  toString = () => `alarm after ${this.seconds} s`;

  async run(model: Model, real: Real): Promise<void> {
    vi.setSystemTime(Date.now() + this.seconds * 1_000);
    await runDurableObjectAlarm(stub(real));
    for (const upload of model.uploads.values()) {
      const age = now() - upload.created;
      const isUnanswered =
        upload.state === "reserved" ||
        (upload.state === "cancelled" && !upload.hasUid && !upload.lost && !upload.hasNoVideo);
      if (isUnanswered && Math.abs(age) >= UNANSWERED_SECONDS) lose(upload);
      if (upload.state === "unknown" && now() >= upload.lostAt + LOST_SECONDS) upload.state = "expired";
      const due = upload.due ?? (isLive(upload.state) ? upload.created + DUE_SECONDS : Infinity);
      if (due > now()) continue;
      if (isLive(upload.state)) upload.state = "expired";
      if (upload.state === "ready") upload.state = "deleted";
      upload.due = undefined;
    }
    await check(model, real);
  }
}

/** The clock is corrected, or the object moves to a machine with another one. */
class StepClock implements Command {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
  check = () => true;
  toString = () => `clock ${this.seconds} s`;

  async run(model: Model, real: Real): Promise<void> {
    vi.setSystemTime(Date.now() + this.seconds * 1_000);
    await check(model, real);
  }
}

afterEach(() => void vi.useRealTimers());

describe("TenantLedger", () => {
  it("matches the model after any sequence of operations", { timeout: 120_000 }, async () => {
    const creators = fc.constantFrom(undefined, "a", "b");
    const keys = fc.constantFrom(
      undefined,
      "key 1",
      "key 2",
      "grant 1/a",
      "grant 1/b",
      "grant 2/a",
      "grant 2/b",
      "grant 2/c",
    );
    // Mostly the same creation is repeated.
    const fingerprints = fc.constantFrom("f", "f", "f", "g");
    // As floating-point numbers, their sums are not whole milliseconds.
    const seconds = fc.constantFrom(undefined, 7, 7.1, 7.401, 6.6, 3.333);
    const commands = fc.commands(
      [
        fc.tuple(creators, keys, fingerprints, fc.constantFrom(10, 60, 100)).map((args) => new Reserve(...args)),
        fc
          .tuple(fc.constantFrom("attach", "refused", "unsent", "leaveUnknown", "discard"), fc.nat(30))
          .map((args) => new Answer(...args)),
        fc
          .record({
            kind: fc.constantFrom("pending", "processing", "ready", "failed"),
            which: fc.nat(30),
            by: fc.constantFrom("record", "compare", "recordSearch"),
            tag: fc.constantFrom(
              "signed",
              "signed",
              "signed",
              "unsigned",
              "wrongly signed",
              "of another tenant",
              "none",
            ),
            distance: fc.constantFrom(0, 0, 0, TAG_SECONDS, -TAG_SECONDS, TAG_SECONDS + 1, -TAG_SECONDS - 1),
            isCopy: fc.nat(3).map((number) => number === 0),
            seconds,
          } satisfies { [Key in keyof Report]: fc.Arbitrary<Report[Key]> })
          .map((report) => new Reported(report)),
        fc.nat(30).map((which) => new Cancel(which)),
        fc
          .tuple(
            fc.nat(30),
            fc.constantFrom(undefined, 5, 60, 150),
            fc.constantFrom("agreed", "refused", "lost", "killed"),
          )
          .map((args) => new Edit(...args)),
        fc.constant(new Evict()),
        fc
          .constantFrom(
            0,
            ANSWER_SECONDS,
            UNANSWERED_SECONDS,
            LOST_SECONDS,
            LIFE_SECONDS - MARGIN_SECONDS,
            LIFE_SECONDS,
            DUE_SECONDS,
          )
          .map((seconds) => new Wake(seconds)),
        fc.constantFrom(60, -60, 86_400, -86_400).map((seconds) => new StepClock(seconds)),
      ],
      { maxCommands: 30, size: "max" },
    );
    const { accountId, apiBase, uploadHost, token } = stream;
    await asOperator("PUT", "/upstreams/live?check=false", {
      accountId,
      apiBase,
      uploadHosts: [uploadHost],
      apiToken: token,
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        // Resets its rate limit.
        await fetch(`${stream.url}/_control/reset`, { method: "POST" });
        const name = `model-${++run}`;
        vi.useFakeTimers({ toFake: ["Date"], now: START + run * 86_400_000 });
        const setup = () => ({ model: { uploads: new Map(), keys: new Map(), ids: [] } as Model, real: { name } });
        await fc.asyncModelRun(setup, sequence);
      }),
      { numRuns: 30 },
    );
  });
});
