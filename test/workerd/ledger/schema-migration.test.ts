import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { GOLDEN_TIME, goldenId, goldenUid } from "../golden/golden.ts";
import STEP_1 from "../golden/ledger-step-1.sql?raw";
import STEP_2 from "../golden/ledger-step-2.sql?raw";
import STEP_3 from "../golden/ledger-step-3.sql?raw";
import STEP_4 from "../golden/ledger-step-4.sql?raw";
import STEP_5 from "../golden/ledger-step-5.sql?raw";
import STEP_8 from "../golden/ledger-step-8.sql?raw";
import {
  LOCATION,
  type LedgerStub,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  now,
  reservationRequest,
  reserve,
  rowOf,
  streamVideo,
} from "../support/ledger.ts";

/** Replaces the database of a ledger, and restarts the object. */
async function load(ledger: LedgerStub, sql: string): Promise<void> {
  await runInDurableObject(ledger, (_, { storage }) => {
    for (const table of ["uploads", "ledger", "months", "events", "attempts", "handovers", "checked_events", "schema"])
      storage.sql.exec(`DROP TABLE ${table}`);
    storage.sql.exec(sql);
  });
  await evictDurableObject(ledger);
}

/** Fills the golden ledger up to a number of uploads, all older than those of the file. */
function fillWithUploads(uploads: number): string {
  return `
    WITH RECURSIVE counter (n) AS (SELECT 7 UNION ALL SELECT n + 1 FROM counter WHERE n < ${uploads})
    INSERT INTO uploads (seq, id, state, upstream, bytes, seconds, created, expires)
      SELECT n, printf('00000000-0000-7000-8000-%012d', n), 'expired', 'default', 1, 1, 0, 0 FROM counter;
    UPDATE ledger SET counted = (SELECT max(seq) FROM uploads),
      totals = json_set(totals, '$.pending', 2, '$.storedSeconds', 132.5, '$.day.uploads', 6, '$.day.bytes', 3900,
        '$.day.seconds', 192.5, '$.month.uploads', 6, '$.month.bytes', 3900, '$.month.seconds', 192.5);`;
}

describe("migrateLedger", () => {
  afterEach(() => void vi.useRealTimers());

  it("makes deletions due only for uploads whose deletion was requested", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = env.LEDGER.getByName("golden");
    await load(ledger, STEP_2);
    for (const number of [2, 3, 5]) await ledger.record("default", streamVideo(goldenUid(number), "ready"));
    const rows = await Promise.all([2, 3, 5].map((number) => rowOf(ledger, goldenId(number))));
    expect(rows.map(({ state }) => state)).toEqual(["ready", "deleted", "deleted"]);
    expect(rows.map(({ due }) => due !== null)).toEqual([false, true, false]);
  });

  it.each([
    ["makes the id the key of a table of 50,000 uploads", 50_000, false],
    ["keeps the table of a ledger with more uploads", 50_001, true],
  ])("%s", { timeout: 60_000 }, async (_, uploads, keepsTable) => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = newLedger();
    await load(ledger, STEP_4 + fillWithUploads(uploads));
    const columns = await runInDurableObject(ledger, (_, { storage }) =>
      storage.sql
        .exec<{ name: string }>("SELECT name FROM pragma_table_info('uploads')")
        .toArray()
        .map(({ name }) => name),
    );
    expect(columns.includes("seq")).toBe(keepsTable);
    const idempotency = { key: "a key", fingerprint: "f", once: false };
    const request = reservationRequest({ idempotency, version: 3, creator: "c" });
    expect(await reserve(ledger, request)).toEqual({ kind: "reserved" });
    await ledger.attach(request.id, goldenUid(9), LOCATION);
    expect(await reserve(ledger, reservationRequest({ idempotency, version: 3, creator: "c" }))).toMatchObject({
      kind: "replayed",
      id: request.id,
    });
    await evictDurableObject(ledger);
    await expectLedgerConsistent(ledger);
    expect((await ledger.list({ limit: 1 })).uploads).toMatchObject([{ id: request.id, creator: "c" }]);
  });

  it.each([
    [1, STEP_1],
    [2, STEP_2],
    [3, STEP_3],
    [4, STEP_4],
    [5, STEP_5],
  ])("reads a ledger written by step %i", async (step, sql) => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = env.LEDGER.getByName("golden");
    await load(ledger, sql);
    expect(await ledger.find(goldenUid(1))).toMatchObject({ state: "issued", creator: "u_1", unwanted: false });
    expect(await ledger.find(goldenUid(2))).toMatchObject({ state: "ready", returns: step < 3 ? 0 : 1, seconds: 12.5 });
    expect(await ledger.find(goldenUid(3))).toMatchObject({
      state: "cancelled",
      unwanted: step > 1,
    });
    await expectLedgerConsistent(ledger);
    expect(await ledger.usage()).toMatchObject({ pending: step < 4 ? 1 : 2, videos: 1 });
    const idempotency = { key: "key 1", fingerprint: "f", once: false };
    expect(await reserve(ledger, reservationRequest({ idempotency, version: 2 }))).toEqual({ kind: "stale" });
    const request = reservationRequest({ idempotency, version: 3 });
    expect(await reserve(ledger, request)).toMatchObject({ kind: "replayed", id: goldenId(1) });
  });

  it.each([
    [2, STEP_2],
    [3, STEP_3],
    [4, STEP_4],
    [5, STEP_5],
    [8, STEP_8],
  ])("reads the events and attempts written by step %i", async (_, sql) => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    await load(env.LEDGER.getByName("golden"), sql);
    const ledgers = createLedgers(env.LEDGER);
    const events = await ledgers.events("golden", { limit: 10 });
    expect(events.ok && events.value.events.map(({ body }) => body.type)).toEqual(["upload.ready", "upload.created"]);
    expect(await ledgers.event("golden", "evt_golden_1")).toMatchObject({
      value: { attempts: [{ outcome: "failed" }, { outcome: "exhausted" }, { outcome: "skipped" }] },
    });
    expect(await ledgers.find("golden", goldenId(4))).toMatchObject({ value: { failure: "ERR_NON_VIDEO" } });
  });
});

describe("the creators of a ledger written by step 8", () => {
  afterEach(() => void vi.useRealTimers());

  const ledgers = createLedgers(env.LEDGER);
  const open = async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = env.LEDGER.getByName("golden");
    await load(ledger, STEP_8);
    return ledger;
  };
  const ids = async (creator: string, more: object = {}) => {
    const page = await ledgers.list("golden", { limit: 9, creator, ...more });
    return page.ok && page.value.uploads.map(({ id }) => id);
  };

  it("are persons of the namespace tenant, whose uploads and keys stay theirs", async () => {
    const ledger = await open();
    expect(await ledgers.find("golden", goldenId(1))).toMatchObject({
      value: { creator: "u_1", person: { namespace: "tenant", subject: "u_1" }, idempotencyKey: "key 1" },
    });
    expect(await ids("u_1")).toEqual([goldenId(1)]);
    expect(await ids("u_1\u001fauth0")).toEqual([]);
    const idempotency = { key: '["tenant","u_1","key 1"]', fingerprint: "f", once: false };
    const replay = reservationRequest({ creator: "u_1", version: 3, answerSeconds: 15, idempotency });
    expect(await reserve(ledger, replay)).toMatchObject({ kind: "replayed", id: goldenId(1) });
    const limits = { pendingPerCreator: 1 };
    expect(await reserve(ledger, reservationRequest({ creator: "u_1", version: 3, limits }))).toMatchObject({
      problem: { code: "limit_exceeded" },
    });
  });

  it("are no persons where they are the tenant's own id: a policy has stored it for everyone", async () => {
    await open();
    const upload = await ledgers.find("golden", goldenId(2));
    expect(upload).toMatchObject({ value: { creator: "golden" } });
    expect(upload).not.toHaveProperty("value.person");
    expect(await ids("golden\u001ftenant")).toEqual([]);
    expect(await ids("golden", { orLabel: true })).toEqual([goldenId(2)]);
  });
});

describe("an unsigned tag", () => {
  afterEach(() => void vi.useRealTimers());

  it.each([
    [4, STEP_4],
    [5, STEP_5],
  ])("finds an upload without a uid that was written by step %i, and none from after that", async (_, sql) => {
    vi.useFakeTimers({ toFake: ["Date"], now: (GOLDEN_TIME + 60) * 1000 });
    const ledger = env.LEDGER.getByName("golden");
    await load(ledger, sql);
    const later = reservationRequest({ version: 3 });
    await ledger.reserve(later);
    const report = (uid: string, uploadId: string) =>
      ledger.record("default", streamVideo(uid, "ready", { created: now(), tag: { tenant: "golden", uploadId } }));
    expect(await report(goldenUid(6), goldenId(6))).toBe(true);
    expect(await report(goldenUid(7), later.id)).toBe(false);
    expect(await ledger.find(goldenId(6))).toMatchObject({ state: "ready", uid: goldenUid(6) });
    expect(await ledger.find(later.id)).toMatchObject({ state: "reserved" });
  });

  it("finds nothing in a ledger that had no uploads before the step", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = env.LEDGER.getByName("golden");
    await load(ledger, `${STEP_5} DELETE FROM uploads; DELETE FROM ledger;`);
    vi.setSystemTime((GOLDEN_TIME - 60) * 1000);
    const { id } = reservationRequest();
    await ledger.reserve(reservationRequest({ id }));
    const tag = { tenant: "golden", uploadId: id };
    expect(await ledger.record("default", streamVideo(goldenUid(6), "ready", { created: now(), tag }))).toBe(false);
  });
});

describe("an idempotency key in the form of version 0.1", () => {
  const DAY_SECONDS = 86_400;
  const rekeyed = (key: string) => `UPDATE uploads SET idempotency = '${key}' WHERE idempotency = 'key 1';`;
  const HEADER = { key: '["tenant","","h"]', formerKey: '["api-key","k1","h"]', once: false };
  const perGrant = (uploads: number) => ({ prefix: '["grant","jti"', uploads });
  const FILE = { key: '["grant","jti","f"]', formerKey: '["grant","jti"]', once: true };

  async function ledgerWith(key: string): Promise<LedgerStub> {
    vi.useFakeTimers({ toFake: ["Date"], now: GOLDEN_TIME * 1000 });
    const ledger = newLedger();
    await load(ledger, STEP_4 + rekeyed(key));
    return ledger;
  }

  const requestWith = (idempotency: object, fingerprint = "f") =>
    reservationRequest({ idempotency: { ...HEADER, ...idempotency, fingerprint }, version: 3, answerSeconds: 15 });

  afterEach(() => void vi.useRealTimers());

  it("is found for a day, and nothing is rewritten", async () => {
    const ledger = await ledgerWith(HEADER.formerKey);
    expect(await reserve(ledger, requestWith(HEADER))).toMatchObject({ kind: "replayed", id: goldenId(1) });
    expect(await reserve(ledger, requestWith(HEADER, "g"))).toMatchObject({
      problem: { code: "idempotency_key_reused" },
    });
    expect(await rowOf(ledger, goldenId(1))).toMatchObject({ idempotency: HEADER.formerKey });
    vi.setSystemTime((GOLDEN_TIME + DAY_SECONDS - 1) * 1000);
    expect(await reserve(ledger, requestWith(HEADER))).toMatchObject({ kind: "expiring" });
    vi.setSystemTime((GOLDEN_TIME + DAY_SECONDS) * 1000);
    expect(await reserve(ledger, requestWith(HEADER))).toMatchObject({ kind: "reserved" });
  });

  it("goes over to a new upload when its own is dead", async () => {
    const ledger = await ledgerWith(HEADER.formerKey);
    await ledger.cancel(goldenId(1), Infinity);
    const next = requestWith(HEADER);
    expect(await reserve(ledger, next)).toEqual({ kind: "reserved" });
    expect(await rowOf(ledger, goldenId(1))).toMatchObject({ idempotency: null });
    expect(await rowOf(ledger, next.id)).toMatchObject({ idempotency: HEADER.key });
  });

  it("of a grant counts as one of its files", async () => {
    const ledger = await ledgerWith(FILE.formerKey);
    const [one, two] = [1, 2].map((uploads) => ({ ...FILE, perGrant: perGrant(uploads) }));
    expect(await reserve(ledger, requestWith(one ?? {}))).toMatchObject({ kind: "replayed", id: goldenId(1) });
    const other = { key: '["grant","jti","g"]' };
    expect(await reserve(ledger, requestWith({ ...one, ...other }, "g"))).toMatchObject({
      problem: { code: "grant_used" },
    });
    expect(await reserve(ledger, requestWith({ ...two, ...other }, "g"))).toMatchObject({ kind: "reserved" });
  });

  it("is not looked up in a ledger that never had one", async () => {
    const ledger = newLedger();
    await issueUpload(ledger, { idempotency: { key: HEADER.formerKey, fingerprint: "f", once: false } });
    expect(await reserve(ledger, requestWith(HEADER))).toMatchObject({ kind: "reserved" });
  });
});
