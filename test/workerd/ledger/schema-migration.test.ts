import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import { GOLDEN_TIME, goldenId, goldenUid } from "../golden/golden.ts";
import STEP_1 from "../golden/ledger-step-1.sql?raw";
import STEP_2 from "../golden/ledger-step-2.sql?raw";
import STEP_3 from "../golden/ledger-step-3.sql?raw";
import STEP_4 from "../golden/ledger-step-4.sql?raw";
import {
  type LedgerStub,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  reservationRequest,
  reserve,
  rowOf,
  streamVideo,
} from "../support/ledger.ts";

/** Columns of `uploads` that the third step adds. */
const THIRD_STEP = ["unwanted", "returns", "bytes_measured", "seconds_measured"];

/** Replaces the database of a ledger, and restarts the object. */
async function load(ledger: LedgerStub, sql: string): Promise<void> {
  await runInDurableObject(ledger, (_, { storage }) => {
    for (const table of ["uploads", "ledger", "events", "attempts", "schema"]) storage.sql.exec(`DROP TABLE ${table}`);
    storage.sql.exec(sql);
  });
  await evictDurableObject(ledger);
}

describe("migrateLedger", () => {
  afterEach(() => void vi.useRealTimers());

  it("keeps the totals of the previous step", async () => {
    const ledger = newLedger();
    for (let index = 0; index < 3; index++) await issueUpload(ledger);
    await ledger.learn(1, false);
    const totals = await ledger.usage();
    await runInDurableObject(ledger, (_, { storage }) => {
      storage.sql.exec("ALTER TABLE ledger DROP COLUMN counted");
      storage.sql.exec("UPDATE schema SET steps = steps - 1");
    });
    await evictDurableObject(ledger);
    expect(await ledger.usage()).toEqual(totals);
    await expectLedgerConsistent(ledger);
  });

  it("makes deletions due only for uploads whose deletion was requested", async () => {
    const ledger = newLedger();
    const uploads = [await issueUpload(ledger), await issueUpload(ledger), await issueUpload(ledger)];
    for (const { uid } of uploads) await ledger.record("default", streamVideo(uid, "ready"));
    await ledger.cancel(uploads[0]?.id ?? "", Infinity);
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      // The video was missing and reappeared.
      sql.exec("UPDATE uploads SET state = 'deleted' WHERE id = ?", uploads[1]?.id);
      for (const column of THIRD_STEP) sql.exec(`ALTER TABLE uploads DROP COLUMN ${column}`);
      sql.exec("ALTER TABLE ledger DROP COLUMN counted");
      sql.exec("UPDATE schema SET steps = steps - 2");
    });
    await evictDurableObject(ledger);
    for (const { uid } of uploads) await ledger.record("default", streamVideo(uid, "ready"));
    const rows = await Promise.all(uploads.map(({ id }) => rowOf(ledger, id)));
    expect(rows.map(({ state }) => state)).toEqual(["deleted", "deleted", "ready"]);
    expect(rows.map(({ due }) => due !== null)).toEqual([true, false, false]);
  });

  it("migrates a ledger of the first step with its uploads", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger, { creator: "c" });
    const ready = await issueUpload(ledger);
    await ledger.record("default", streamVideo(ready.uid, "ready"));
    await runInDurableObject(ledger, (_, { storage }) => {
      const { sql } = storage;
      sql.exec("UPDATE uploads SET due = expires");
      sql.exec("UPDATE ledger SET totals = json_remove(totals, '$.videos')");
      for (const name of ["due_uploads", "uploads_by_uid", "uploads_by_creator"]) sql.exec(`DROP INDEX ${name}`);
      for (const column of ["failure", "video", ...THIRD_STEP]) sql.exec(`ALTER TABLE uploads DROP COLUMN ${column}`);
      for (const column of ["has_endpoints", "published", "counted"])
        sql.exec(`ALTER TABLE ledger DROP COLUMN ${column}`);
      for (const table of ["events", "attempts", "schema"]) sql.exec(`DROP TABLE ${table}`);
      sql.exec("CREATE INDEX uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL");
      sql.exec("CREATE INDEX live_uploads ON uploads (creator, due) WHERE state IN ('reserved', 'unknown', 'issued')");
    });
    await evictDurableObject(ledger);
    expect(await ledger.find(id)).toMatchObject({ state: "issued" });
    expect(await ledger.usage()).toMatchObject({ pending: 1, videos: 1 });
    expect((await rowOf(ledger, id))["due"]).not.toBeNull();
    expect((await rowOf(ledger, ready.id))["due"]).toBeNull();
    expect(await ledger.cancel(id, Infinity)).toMatchObject({ state: "cancelled" });
    await expectLedgerConsistent(ledger);
  });

  it.each([
    [1, STEP_1],
    [2, STEP_2],
    [3, STEP_3],
    [4, STEP_4],
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
