import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it, vi } from "vitest";
import { UPLOAD_EVENT_TYPES } from "../../../src/core/webhooks/rules/upload-event.ts";
import { lowerBoundAt } from "../../../src/core/uploads/rules/upload-id.ts";
import type { ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { KEEP_FINISHED_SECONDS } from "../../../src/core/uploads/rules/upload-record.ts";
import { Outbox } from "../../../src/durable-objects/tenant-ledger/outbox.ts";
import type { Delivery } from "../../../src/core/webhooks/rules/delivery.ts";
import type { StoredComparison } from "../../../src/adapters/durable-objects/ledger-rpc.ts";
import type { StreamVideo } from "../../../src/core/stream/rules/video.ts";
import { agrees, asOperator, reserve } from "../support/worker.ts";

/** What a ledger makes of what happens to uploads after they were created. */

const now = () => Math.floor(Date.now() / 1000);
let made = 0;
const ledger = () => env.LEDGER.getByName(`life-${++made}`);
type Ledger = ReturnType<typeof ledger>;
const uidOf = (number: number) => number.toString(16).padStart(32, "0");

const request = (more: Partial<ReservationRequest> = {}): ReservationRequest => ({
  id: uuidv7(),
  version: 1,
  limits: {},
  upstream: "default",
  bytes: 100,
  seconds: 60,
  expires: now() + 1_800,
  ...more,
});

async function issued(tenant: Ledger, more: Partial<ReservationRequest> = {}) {
  const [{ id }, uid] = [request(), uidOf(++made)];
  await tenant.reserve(request({ ...more, id }));
  await tenant.attach(id, uid, "https://upload.example/1");
  return { id, uid };
}

const video = (uid: string, kind: StreamVideo["report"]["kind"], more: Partial<StreamVideo> = {}): StreamVideo => ({
  report: { kind, uid, seconds: 12, bytes: 90 },
  json: { uid, status: { state: kind } },
  ...more,
});

const rowOf = (tenant: Ledger, id: string) =>
  runInDurableObject(tenant, (_, { storage }) => storage.sql.exec("SELECT * FROM uploads WHERE id = ?", id).one());

describe("what Stream says of a video", () => {
  it("finds its upload by the tag or by the uid, and settles it", async () => {
    const tenant = ledger();
    const [one, other] = [await issued(tenant), await issued(tenant)];
    const tag = { tenant: "any", uploadId: one.id };
    expect(await tenant.record("default", video(one.uid, "ready", { tag }))).toBe(true);
    expect(await tenant.record("default", video(other.uid, "failed"))).toBe(true);
    expect(await tenant.find(one.id)).toMatchObject({
      state: "ready",
      seconds: 12,
      bytes: 90,
      video: expect.stringContaining(one.uid),
    });
    expect(await tenant.find(other.uid)).toMatchObject({ id: other.id, state: "failed" });
    expect(await tenant.usage()).toMatchObject({ pending: 0, videos: 1, storedSeconds: 12 });
    expect(await rowOf(tenant, one.id)).toMatchObject({ due: null, location: null });
    await agrees(tenant);
  });

  it("is not believed where upload, video and account do not agree", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    const tag = { tenant: "any", uploadId: id };
    expect(await tenant.record("other", video(uid, "ready", { tag }))).toBe(false);
    expect(await tenant.record("default", video(uidOf(++made), "ready", { tag }))).toBe(false);
    expect(await tenant.record("default", video(uidOf(++made), "ready"))).toBe(false);
    expect(await tenant.find(id)).toMatchObject({ state: "issued" });
  });

  it("settles a creation whose answer was lost", async () => {
    const tenant = ledger();
    const lost = request();
    await tenant.reserve(lost);
    await tenant.leaveUnknown(lost.id);
    const [uid, tag] = [uidOf(++made), { tenant: "any", uploadId: lost.id }];
    expect(await tenant.record("default", video(uid, "ready", { tag }))).toBe(true);
    expect(await tenant.find(uid)).toMatchObject({ id: lost.id, state: "ready" });
  });

  it("changes nothing of how a video looks where it comes late", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    for (const kind of ["ready", "processing"] as const) await tenant.record("default", video(uid, kind));
    expect(JSON.parse((await tenant.find(id))?.video ?? "")).toMatchObject({ status: { state: "ready" } });
  });

  it("is kept as Stream's own object, unless that is very long", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    await tenant.record("default", video(uid, "ready", { json: { uid, meta: { name: "x".repeat(20_000) } } }));
    expect(await tenant.find(id)).not.toHaveProperty("video");
  });
});

describe("an upload that is cancelled", () => {
  it("holds nothing any longer, and its video is due to be deleted, until it is gone", async () => {
    const tenant = ledger();
    const { id } = await issued(tenant);
    expect(await tenant.cancel(id, Infinity)).toMatchObject({ id, state: "cancelled" });
    expect(await tenant.cancel(id, Infinity)).toMatchObject({ id, state: "cancelled" });
    expect(await tenant.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 1, seconds: 0 } });
    expect((await rowOf(tenant, id))["due"]).toBeLessThanOrEqual(now() + 30);
    await tenant.confirmGone(id);
    await tenant.cancel(id, Infinity);
    expect(await rowOf(tenant, id)).toMatchObject({ due: null });
    await agrees(tenant);
  });

  it("is deleted where it was ready: not stored any more, and yet of its month", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    await tenant.record("default", video(uid, "ready"));
    expect(await tenant.cancel(id, Infinity)).toMatchObject({ state: "deleted" });
    expect(await tenant.usage()).toMatchObject({ videos: 0, storedSeconds: 0, month: { seconds: 12, bytes: 90 } });
    await agrees(tenant);
  });

  it("does not come back when it is ready after all, and its video is due to be deleted again", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    await tenant.cancel(id, Infinity);
    await tenant.confirmGone(id);
    await tenant.record("default", video(uid, "ready"));
    expect(await tenant.find(id)).toMatchObject({ state: "deleted" });
    expect((await rowOf(tenant, id))["due"]).toBeLessThanOrEqual(now());
    await agrees(tenant);
  });

  it("while it is being created: the URL is not handed out, and its video is due to be deleted", async () => {
    const tenant = ledger();
    const creation = request();
    await tenant.reserve(creation);
    expect(await tenant.cancel(creation.id, Infinity)).toMatchObject({ state: "cancelled" });
    const uid = uidOf(++made);
    expect(await tenant.attach(creation.id, uid, "https://upload.example/1")).toBe(false);
    expect(await rowOf(tenant, creation.id)).toMatchObject({ state: "cancelled", uid, location: null });
    expect((await rowOf(tenant, creation.id))["due"]).toBeLessThanOrEqual(now());
  });

  it("while it is being created, and Stream refuses: nothing is due any more", async () => {
    const tenant = ledger();
    const creation = request();
    await tenant.reserve(creation);
    await tenant.cancel(creation.id, Infinity);
    await tenant.release(creation.id, "refused");
    expect(await rowOf(tenant, creation.id)).toMatchObject({ state: "cancelled", due: null });
  });

  it("by the gateway itself, since its URL cannot be handed out: its video is due to be deleted, and its key free", async () => {
    const tenant = ledger();
    const idempotency = { key: "k", fingerprint: "f", once: true };
    const creation = request({ idempotency });
    await tenant.reserve(creation);
    const uid = uidOf(++made);
    await tenant.discard(creation.id, uid);
    expect(await rowOf(tenant, creation.id)).toMatchObject({ state: "cancelled", uid, unwanted: 1 });
    expect((await rowOf(tenant, creation.id))["due"]).toBeLessThanOrEqual(now());
    expect(await tenant.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 1, seconds: 0 } });
    expect(await reserve(tenant, request({ idempotency }))).toMatchObject({ kind: "reserved" });
    await agrees(tenant);
  });

  it("by its tenant and then by the gateway: its video is due to be deleted by its uid", async () => {
    const tenant = ledger();
    const creation = request();
    await tenant.reserve(creation);
    await tenant.cancel(creation.id, Infinity);
    const uid = uidOf(++made);
    await tenant.discard(creation.id, uid);
    expect(await rowOf(tenant, creation.id)).toMatchObject({ state: "cancelled", uid });
    expect((await rowOf(tenant, creation.id))["due"]).toBeLessThanOrEqual(now());
  });

  it("is none, where there is no such upload", async () => {
    expect(await ledger().cancel(uuidv7(), Infinity)).toBeUndefined();
  });
});

describe("a comparison with all that Stream has", () => {
  const page = (...videos: StreamVideo[]) => ({ from: now() - 60, to: now() + 60, videos });

  it("takes in what it says, and brings in what carries the tenant's tag", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    const { id, uid } = await issued(tenant);
    const [unknown, other] = [uuidv7(), uuidv7()];
    const found = await tenant.compare(
      "default",
      page(
        video(uid, "ready"),
        video(uidOf(++made), "ready", { tag: { tenant: name, uploadId: unknown }, creator: "c" }),
        video(uidOf(++made), "pending", { tag: { tenant: name, uploadId: other }, maxDurationSeconds: 30 }),
        video(uidOf(++made), "ready", { tag: { tenant: "somebody-else", uploadId: uuidv7() } }),
        video(uidOf(++made), "ready"),
      ),
    );
    expect(found).toEqual({ settled: 1, adopted: 2, missing: 0 });
    expect(await tenant.find(id)).toMatchObject({ state: "ready" });
    expect(await tenant.find(unknown)).toMatchObject({ state: "ready", seconds: 12, creator: "c" });
    expect(await tenant.find(other)).toMatchObject({ state: "issued", seconds: 30 });
    expect(await tenant.usage()).toMatchObject({ videos: 2, pending: 1, storedSeconds: 54 });
    await agrees(tenant);
  });

  it("brings in no video whose tag or uid is that of an upload which is known", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    const { id, uid } = await issued(tenant);
    const tag = { tenant: name, uploadId: id };
    const nothing = { settled: 0, adopted: 0, missing: 0 };
    const copy = video(uidOf(++made), "ready", { tag });
    expect(await tenant.compare("default", page(video(uid, "pending", { tag }), copy))).toEqual(nothing);
    const again = video(uid, "pending", { tag: { tenant: name, uploadId: uuidv7() } });
    for (const shown of [video(uid, "pending", { tag }), again])
      expect(await tenant.compare("the same account", page(shown))).toEqual(nothing);
    await agrees(tenant);
  });

  it("brings in nothing under an id that is not one of the gateway's", async () => {
    const tenant = ledger();
    const tag = { tenant: `life-${made}`, uploadId: "zzz" };
    expect(await tenant.compare("default", page(video(uidOf(++made), "ready", { tag })))).toMatchObject({ adopted: 0 });
  });

  it("has what is missing looked for, of this account and this time only", async () => {
    const tenant = ledger();
    const { id, uid } = await issued(tenant);
    await tenant.record("default", video(uid, "ready"));
    expect(await tenant.compare("other", page())).toMatchObject({ missing: 0 });
    expect(await tenant.compare("default", { from: now() - 60, to: now() - 30, videos: [] })).toMatchObject({
      missing: 0,
    });
    expect(await tenant.find(id)).toMatchObject({ state: "ready" });
    expect(await rowOf(tenant, id)).toMatchObject({ due: null });
    expect(await tenant.compare("default", page())).toEqual({ settled: 0, adopted: 0, missing: 1 });
    expect(await tenant.find(id)).toMatchObject({ state: "ready" });
    expect((await rowOf(tenant, id))["due"]).toBeLessThanOrEqual(now());
    const alarm = await runInDurableObject(tenant, (_, { storage }) => storage.getAlarm());
    expect(alarm).toBeLessThanOrEqual(Date.now());
  });

  it("brings in nothing that failed, nor what may have been forgotten here, and tells the endpoints of what it does", async () => {
    const tenant = ledger();
    await tenant.learn(1, true);
    const name = `life-${made}`;
    const tagged = (kind: StreamVideo["report"]["kind"], created: number) =>
      video(uidOf(++made), kind, { tag: { tenant: name, uploadId: uuidv7() }, created });
    const old = now() - KEEP_FINISHED_SECONDS - 60;
    const videos = [tagged("failed", now()), tagged("pending", old), tagged("ready", old)];
    expect(await tenant.compare("default", page(...videos))).toMatchObject({ adopted: 1 });
    const { events } = await tenant.events({ limit: 10 });
    expect(events.map(({ body }) => body.type)).toEqual(["upload.ready"]);
    // It may have been known here before, and what is told now comes after all that was told then.
    expect(events[0]?.body.data.sequence).toBeGreaterThan(UPLOAD_EVENT_TYPES.length);
  });
});

it("a comparison gets as far as it can at a time, and says so, however much is missing", async () => {
  const tenant = ledger();
  const [from, to] = [1_700_000_000, 1_700_004_000];
  const id = (_: unknown, index: number) =>
    `${lowerBoundAt(from + Math.floor(index / 4))}-7000-8000-${uidOf(index).slice(-12)}`;
  await runInDurableObject(tenant, (_, { storage: { sql } }) =>
    sql.exec(
      `INSERT INTO uploads (id, state, uid, upstream, bytes, seconds, created, expires)
       SELECT value, 'ready', value, 'default', 1, 1, 0, 0 FROM json_each(?)`,
      JSON.stringify(Array.from({ length: 12_000 }, id)),
    ),
  );
  const pages: StoredComparison[] = [];
  for (let next = from; next <= to; next = (pages.at(-1)?.to ?? to) + 1)
    pages.push(await tenant.compare("default", { from: next, to, videos: [] }));
  expect(pages.map(({ missing }) => missing <= 5_000)).toEqual([true, true, true]);
  expect(pages.reduce((sum, { missing }) => sum + missing, 0)).toBe(12_000);
  const due = await runInDurableObject(tenant, (_, { storage: { sql } }) =>
    sql.exec("SELECT count(*) AS due FROM uploads WHERE due IS NOT NULL").one(),
  );
  expect(due).toEqual({ due: 12_000 });
});

describe("a list of uploads", () => {
  it.each([
    ["newest", {}],
    ["oldest", { ascending: true }],
    ["newest of a state", { state: "issued" }],
    ["oldest of a state", { state: "issued", ascending: true }],
  ] as const)("gives the %s first, page by page", async (_, order) => {
    const tenant = ledger();
    const made: string[] = [];
    for (let index = 0; index < 5; index++)
      made.push((await issued(tenant, { creator: index % 2 ? "odd" : "even" })).id);
    const ids = "ascending" in order ? made : made.toReversed();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await tenant.list({ limit: 2, ...order, ...(cursor !== undefined && { cursor }) });
      expect(page.uploads.length).toBeLessThanOrEqual(2);
      seen.push(...page.uploads.map(({ id }) => id));
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
  });

  it("is narrowed by creator, state and time", async () => {
    const tenant = ledger();
    const one = await issued(tenant, { creator: "one" });
    const two = await issued(tenant, { creator: "two" });
    await tenant.record("default", video(two.uid, "ready"));
    const list = async (query: object) => (await tenant.list({ limit: 10, ...query })).uploads.map(({ id }) => id);
    expect(await list({ creator: "one" })).toEqual([one.id]);
    expect(await list({ state: "ready" })).toEqual([two.id]);
    expect(await list({ state: "ready", creator: "one" })).toEqual([]);
    expect(await list({ from: now() - 60, to: now() + 60 })).toEqual([two.id, one.id]);
    expect(await list({ to: now() - 60 })).toEqual([]);
    expect(await list({ from: now() + 60 })).toEqual([]);
    expect(await tenant.storage("two")).toEqual({ seconds: 12, videos: 1 });
    expect(await tenant.storage(undefined)).toEqual({ seconds: 72, videos: 1 });
  });
});

it.each([
  ["all", {}],
  ["those of a state", { state: "reserved" }],
  ["those of a creator, the oldest first", { creator: "c", ascending: true }],
] as const)(
  "a list of %s goes by when they were created, also where their ids are from another clock",
  async (_, query) => {
    const tenant = ledger();
    const created = now();
    // Made by machines whose clocks are a little behind, and a little ahead.
    const idOf = (second: number) => `${lowerBoundAt(second)}-7000-8000-${uidOf(++made).slice(-12)}`;
    const ids = [idOf(created - 30), idOf(created + 30)];
    vi.useFakeTimers({ toFake: ["Date"], now: created * 1_000 });
    for (const id of ids) await tenant.reserve(request({ id, creator: "c" }));
    vi.useRealTimers();
    const listed = async (span: object) =>
      (await tenant.list({ limit: 10, ...query, ...span })).uploads.map(({ id }) => id).toSorted();
    expect(await listed({ from: created, to: created + 1 })).toEqual(ids);
    expect(await listed({ from: created })).toEqual(ids);
    expect(await listed({ to: created })).toEqual([]);
    expect(await listed({ from: created + 1 })).toEqual([]);
    const one = { limit: 1, from: created, to: created + 1, ...query };
    const { cursor = "" } = await tenant.list(one);
    expect((await tenant.list({ ...one, cursor })).uploads).toHaveLength(1);
  },
);

it.each([{ ascending: true }, {}])("a list of a rare state is looked for a part at a time: %j", async (query) => {
  const tenant = ledger();
  const rows = Array.from({ length: 12_000 }, (_, index) => [
    `${lowerBoundAt(1_700_000_000 + index)}-7000-8000-${uidOf(index).slice(-12)}`,
    index === 100 || index === 11_900 ? "failed" : "ready",
  ]);
  await runInDurableObject(tenant, (_, { storage: { sql } }) =>
    sql.exec(
      `INSERT INTO uploads (id, state, uid, upstream, bytes, seconds, created, expires)
       SELECT value ->> 0, value ->> 1, value ->> 0, 'default', 1, 1, 0, 0 FROM json_each(?)`,
      JSON.stringify(rows),
    ),
  );
  const found: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await tenant.list({ limit: 5, state: "failed", ...query, ...(cursor !== undefined && { cursor }) });
    found.push(page.uploads.length);
    ({ cursor } = page);
  } while (cursor !== undefined);
  expect(found).toEqual([1, 0, 1]);
});

it("what a creator's uploads hold are whole milliseconds, as their sum is", async () => {
  const tenant = ledger();
  for (const seconds of [0.1, 0.2]) {
    const { uid } = await issued(tenant, { creator: "c" });
    await tenant.record("default", video(uid, "ready", { report: { kind: "ready", uid, seconds } }));
  }
  expect(await tenant.storage("c")).toEqual({ seconds: 0.3, videos: 2 });
});

describe("what a tenant's endpoints are told", () => {
  it("is kept from the moment that it has some, in the order in which it happened", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    await issued(tenant);
    await tenant.learn(1, true);
    const { id, uid } = await issued(tenant);
    await tenant.record("default", video(uid, "ready"));
    await tenant.record("default", video(uid, "ready"));
    await tenant.cancel(id, Infinity);
    const { events } = await tenant.events({ limit: 10 });
    expect(events.map(({ body }) => body.type)).toEqual(["upload.deleted", "upload.ready", "upload.created"]);
    expect(events.map(({ id: eventId }) => eventId)).toEqual([3, 2, 1].map((number) => `evt_${name}_${number}`));
    expect(events.every(({ body }) => body.data.upload.id === id)).toBe(true);
    await tenant.learn(2, false);
    await issued(tenant);
    expect((await tenant.events({ limit: 10 })).events).toHaveLength(3);
  });

  it("is listed page by page, with what became of it", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    await tenant.learn(1, true);
    for (let index = 0; index < 3; index++) await issued(tenant);
    const first = await tenant.events({ limit: 2 });
    const second = await tenant.events({ limit: 2, cursor: first.cursor ?? "" });
    expect([...first.events, ...second.events].map(({ id }) => id)).toEqual([3, 2, 1].map((n) => `evt_${name}_${n}`));
    expect(second.cursor).toBeUndefined();

    const attempts = [
      { endpoint: "a", at: 1_000, outcome: "failed", status: 500, reason: "500", milliseconds: 12 },
      { endpoint: "a", at: 6_000, outcome: "delivered", status: 200, milliseconds: 3 },
    ] as const;
    for (const attempt of attempts) await tenant.recordAttempt(`evt_${name}_1`, attempt);
    // The answer to a call may be lost, and the call come again.
    await tenant.recordAttempt(`evt_${name}_1`, attempts[1]);
    await tenant.recordAttempt(`evt_${name}_99`, attempts[0]);
    const recorded = await runInDurableObject(tenant, (_, { storage: { sql } }) =>
      sql.exec("SELECT event FROM attempts").toArray(),
    );
    expect(recorded).toEqual([{ event: 1 }, { event: 1 }]);
    await evictDurableObject(tenant);
    expect(await tenant.event(`evt_${name}_1`)).toMatchObject({ attempts });
    for (const id of [`evt_${name}_99`, "evt_other_1", `evt_${"x".repeat(name.length)}_1`, `evt_${name}_01`, "", "1"])
      expect(await tenant.event(id)).toBeUndefined();
  });

  it("is handed over later, where the registry cannot be read at the time", async () => {
    const tenant = ledger();
    await tenant.learn(1, true);
    await env.DB.exec("ALTER TABLE endpoints RENAME TO elsewhere");
    await issued(tenant);
    const state = () =>
      runInDurableObject(tenant, async (_, { storage }) => ({
        published: storage.sql.exec("SELECT published FROM ledger").one()["published"],
        alarm: await storage.getAlarm(),
      }));
    await runDurableObjectAlarm(tenant);
    expect((await state()).published).toBe(0);
    expect((await state()).alarm).toBeLessThanOrEqual(Date.now() + 61_000);
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO endpoints");
    await evictDurableObject(tenant);
    await runDurableObjectAlarm(tenant);
    expect((await state()).published).toBe(1);
  });

  it("is handed over later, where the alarm comes while it is being handed over", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    await asOperator("PUT", `/tenants/${name}`, {});
    await asOperator("PUT", `/tenants/${name}/endpoints/main`, { url: "https://hooks.acme.com/" });
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockReturnValue(new Promise(() => {}));
    await issued(tenant, { version: 1e15 });
    await vi.waitFor(() => expect(send).toHaveBeenCalled());
    const alarmOf = () => runInDurableObject(tenant, (_, { storage }) => storage.getAlarm());
    expect(await alarmOf()).toBeLessThanOrEqual(Date.now() + 5_000);
    await runDurableObjectAlarm(tenant);
    const alarm = await alarmOf();
    send.mockRestore();
    expect(alarm).toBeLessThanOrEqual(Date.now() + 61_000);
  });

  it("is told to an endpoint from the moment that it is there", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    await asOperator("PUT", `/tenants/${name}`, {});
    const send = vi.spyOn(env.DELIVERIES, "sendBatch").mockResolvedValue({} as QueueSendBatchResponse);
    for (const endpoint of ["first", "second"]) {
      await asOperator("PUT", `/tenants/${name}/endpoints/${endpoint}`, { url: "https://hooks.acme.com/" });
      await issued(tenant, { version: 1e15 });
      await vi.waitFor(() => expect(send).toHaveBeenCalled());
    }
    await runDurableObjectAlarm(tenant);
    const told = send.mock.calls.map(([messages]) => [...messages].map(({ body }) => (body as Delivery).endpoint));
    send.mockRestore();
    expect(told).toEqual([["first"], ["first", "second"]]);
  });

  it("is forgotten without looking through all that is kept", async () => {
    const rowsRead = await runInDurableObject(ledger(), (_, { storage: { sql } }) => {
      sql.exec(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO events (created, body) SELECT iif(i < 3, 0, ?), '{}' FROM n",
        now(),
      );
      const cursors: { readonly rowsRead: number }[] = [];
      const exec = (query: string, ...values: number[]) => {
        const cursor = sql.exec(query, ...values);
        cursors.push(cursor);
        return cursor;
      };
      new Outbox({ exec } as unknown as SqlStorage, "acme").prune(now());
      expect(sql.exec("SELECT count(*) AS kept FROM events").one()).toEqual({ kept: 4_998 });
      return cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0);
    });
    expect(rowsRead).toBeLessThan(2_500);
  });

  it("is not undone by what an older change of the tenant said", async () => {
    const tenant = ledger();
    await tenant.learn(7, true);
    await tenant.learn(6, false);
    await issued(tenant, { version: 7 });
    expect((await tenant.events({ limit: 1 })).events).toHaveLength(1);
  });
});

describe("an alarm forgets what is over", () => {
  /** Makes rows as old as that. */
  const age = (tenant: Ledger, table: "uploads" | "events", seconds: number, ids: readonly (string | number)[]) =>
    runInDurableObject(tenant, (_, { storage: { sql } }) => {
      const id = table === "uploads" ? "id" : "seq";
      const list = JSON.stringify(ids);
      sql.exec(
        `UPDATE ${table} SET created = ? WHERE ${id} IN (SELECT value FROM json_each(?))`,
        now() - seconds,
        list,
      );
    });
  const kept = async (tenant: Ledger) => (await tenant.list({ limit: 20 })).uploads.map(({ id }) => id).toSorted();

  it("of uploads: those that are finished, not at Stream and long gone, but for the newest of all", async () => {
    const tenant = ledger();
    const cancelled = async () => {
      const { id } = await issued(tenant);
      await tenant.cancel(id, Infinity);
      await tenant.confirmGone(id);
      return id;
    };
    const [gone, recent, ready, unwanted] = [
      await cancelled(),
      await cancelled(),
      await issued(tenant),
      await issued(tenant),
    ];
    await tenant.record("default", video(ready.uid, "ready"));
    await tenant.cancel(unwanted.id, Infinity);
    const newest = await cancelled();
    await age(tenant, "uploads", KEEP_FINISHED_SECONDS + 60, [gone, ready.id, unwanted.id, newest]);
    await runDurableObjectAlarm(tenant);
    expect(await kept(tenant)).toEqual([recent, ready.id, unwanted.id, newest].toSorted());

    // The next goes over them again.
    await age(tenant, "uploads", KEEP_FINISHED_SECONDS + 60, [recent]);
    for (let times = 0; times < 2; times++) {
      await tenant.compare("default", { from: 0, to: now(), videos: [] });
      await runDurableObjectAlarm(tenant);
    }
    expect(await kept(tenant)).toEqual([ready.id, unwanted.id, newest].toSorted());
  });

  it("of events: those of a month ago with their attempts, but for the newest of all", async () => {
    const tenant = ledger();
    const name = `life-${made}`;
    await tenant.learn(1, true);
    for (let count = 0; count < 3; count++) {
      await issued(tenant);
      await tenant.recordAttempt(`evt_${name}_${count + 1}`, { endpoint: "a", at: 1, outcome: "delivered" });
    }
    await age(tenant, "events", 30 * 24 * 60 * 60 + 60, [1, 3]);
    await runDurableObjectAlarm(tenant);
    const left = await runInDurableObject(tenant, (_, { storage: { sql } }) => ({
      events: sql.exec("SELECT seq FROM events").toArray(),
      attempts: sql.exec("SELECT event FROM attempts").toArray(),
    }));
    expect(left).toEqual({ events: [{ seq: 2 }, { seq: 3 }], attempts: [{ event: 2 }, { event: 3 }] });
  });
});

it("there is no ledger without a tenant's name: its events would be nobody's", async () => {
  const nameless = async () => env.LEDGER.get(env.LEDGER.newUniqueId()).usage();
  await expect(nameless()).rejects.toThrow("name");
});

it("an alarm that was set by a change that failed is set again by the next", async () => {
  const tenant = ledger();
  const { id } = await issued(tenant);
  await tenant.learn(1, true);
  const inStorage = <T>(work: (storage: DurableObjectStorage) => T) =>
    runInDurableObject(tenant, (_, { storage }) => work(storage));
  await inStorage(({ sql }) => void sql.exec("ALTER TABLE events RENAME TO elsewhere"));
  await runInDurableObject(tenant, (object: TenantLedger) =>
    expect(() => object.cancel(id, Infinity)).toThrow("events"),
  );
  await inStorage(({ sql }) => void sql.exec("ALTER TABLE elsewhere RENAME TO events"));
  expect(await tenant.find(id)).toMatchObject({ state: "issued" });
  expect(await tenant.usage()).toMatchObject({ pending: 1 });
  await tenant.learn(2, false);
  await tenant.cancel(id, Infinity);
  expect(await inStorage((storage) => storage.getAlarm())).toBeLessThanOrEqual(Date.now() + 31_000);
});

/** Columns of `uploads` that the third step has brought. */
const THIRD = ["unwanted", "returns", "bytes_measured", "seconds_measured"];

it("a ledger of the version before knows which uploads its totals count", async () => {
  const tenant = ledger();
  for (let index = 0; index < 3; index++) await issued(tenant);
  await tenant.learn(1, false);
  const totals = await tenant.usage();
  await runInDurableObject(tenant, (_, { storage }) => {
    storage.sql.exec("ALTER TABLE ledger DROP COLUMN counted");
    storage.sql.exec("UPDATE schema SET steps = steps - 1");
  });
  await evictDurableObject(tenant);
  expect(await tenant.usage()).toEqual(totals);
  await agrees(tenant);
});

it("a ledger of an earlier version deletes only what is known to be unwanted", async () => {
  const tenant = ledger();
  const uploads = [await issued(tenant), await issued(tenant), await issued(tenant)];
  for (const { uid } of uploads) await tenant.record("default", video(uid, "ready"));
  await tenant.cancel(uploads[0]?.id ?? "", Infinity);
  await runInDurableObject(tenant, (_, { storage: { sql } }) => {
    // It had disappeared, and been seen again.
    sql.exec("UPDATE uploads SET state = 'deleted' WHERE id = ?", uploads[1]?.id);
    for (const column of THIRD) sql.exec(`ALTER TABLE uploads DROP COLUMN ${column}`);
    sql.exec("ALTER TABLE ledger DROP COLUMN counted");
    sql.exec("UPDATE schema SET steps = steps - 2");
  });
  await evictDurableObject(tenant);
  for (const { uid } of uploads) await tenant.record("default", video(uid, "ready"));
  const rows = await Promise.all(uploads.map(({ id }) => rowOf(tenant, id)));
  expect(rows.map(({ state }) => state)).toEqual(["deleted", "deleted", "ready"]);
  expect(rows.map(({ due }) => due !== null)).toEqual([true, false, false]);
});

it("a ledger of an earlier version is brought up to date with what it holds", async () => {
  const tenant = ledger();
  const { id } = await issued(tenant, { creator: "c" });
  const ready = await issued(tenant);
  await tenant.record("default", video(ready.uid, "ready"));
  await runInDurableObject(tenant, (_, { storage }) => {
    const { sql } = storage;
    sql.exec("UPDATE uploads SET due = expires");
    sql.exec("UPDATE ledger SET totals = json_remove(totals, '$.videos')");
    for (const name of ["due_uploads", "uploads_by_uid", "uploads_by_creator"]) sql.exec(`DROP INDEX ${name}`);
    for (const column of ["failure", "video", ...THIRD]) sql.exec(`ALTER TABLE uploads DROP COLUMN ${column}`);
    for (const column of ["has_endpoints", "published", "counted"])
      sql.exec(`ALTER TABLE ledger DROP COLUMN ${column}`);
    for (const table of ["events", "attempts", "schema"]) sql.exec(`DROP TABLE ${table}`);
    sql.exec("CREATE INDEX uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL");
    sql.exec("CREATE INDEX live_uploads ON uploads (creator, due) WHERE state IN ('reserved', 'unknown', 'issued')");
  });
  await evictDurableObject(tenant);
  expect(await tenant.find(id)).toMatchObject({ state: "issued" });
  expect(await tenant.usage()).toMatchObject({ pending: 1, videos: 1 });
  expect((await rowOf(tenant, id))["due"]).not.toBeNull();
  expect((await rowOf(tenant, ready.id))["due"]).toBeNull();
  expect(await tenant.cancel(id, Infinity)).toMatchObject({ state: "cancelled" });
  await agrees(tenant);
});
