import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CachedRegistry } from "../../../src/core/ports/registry.ts";
import { ok } from "../../../src/core/shared/result.ts";
import type { Delivery } from "../../../src/core/webhooks/rules/delivery.ts";
import { EventPublisher } from "../../../src/durable-objects/tenant-ledger/event-publisher.ts";
import type { LedgerHost } from "../../../src/durable-objects/tenant-ledger/host.ts";
import { Outbox } from "../../../src/durable-objects/tenant-ledger/outbox.ts";
import { LedgerStore } from "../../../src/durable-objects/tenant-ledger/store.ts";
import { alarmOf, issueUpload, newLedger, newUid, now, streamVideo } from "../support/ledger.ts";
import { asOperator } from "../support/worker.ts";

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 24 * HOUR;
/** Later than the real time, by which the platform would ring the alarms. */
const START = now() + 2 * DAY;
const ENDPOINT = { url: "https://hooks.acme.com/" };

/** A queue that accepts all messages and delivers none. */
const send = vi.spyOn(env.DELIVERIES, "sendBatch");
const setTime = (seconds: number) => vi.setSystemTime(seconds * 1000);

// Once, since the Worker under test keeps the clock that it has started with.
beforeAll(() => void vi.useFakeTimers({ toFake: ["Date"] }));
beforeEach(() => {
  setTime(START);
  send.mockReset().mockResolvedValue({} as QueueSendBatchResponse);
});

/** What was sent since the last call: `<number of the event> <endpoint>`. */
function sent(): string[] {
  const deliveries = send.mock.calls.flatMap(([batch]) => [...batch].map(({ body }) => body as Delivery));
  send.mockClear();
  return deliveries.map(({ event, endpoint }) => `${event.id.split("_").at(-1)} ${endpoint}`).toSorted();
}

/** A ledger whose tenant has these endpoints, and the event 1, which was sent. */
async function ledgerWithEvent(...endpoints: readonly string[]) {
  const ledger = newLedger();
  await asOperator("PUT", `/tenants/${ledger.name}`, {});
  for (const id of endpoints) await asOperator("PUT", `/tenants/${ledger.name}/endpoints/${id}`, ENDPOINT);
  await addEvent(ledger);
  await publish(ledger);
  expect(sent()).toEqual(endpoints.map((id) => `1 ${id}`).toSorted());
  return ledger;
}

/** Adds one event, and leaves no upload that is due. */
async function addEvent(ledger: ReturnType<typeof newLedger>): Promise<void> {
  const uid = newUid();
  await runInDurableObject(ledger, (_, { storage: { sql } }) => {
    sql.exec(
      `INSERT INTO uploads (id, state, upstream, uid, bytes, seconds, created, expires)
       VALUES (?1, 'issued', 'default', ?1, 1, 1, ?2, ?2)`,
      uid,
      now(),
    );
  });
  await ledger.record("default", streamVideo(uid, "ready"));
}

/** Runs the alarm that follows each event, as the platform does after 5 seconds. */
async function publish(ledger: ReturnType<typeof newLedger>): Promise<void> {
  await vi.waitFor(async () => {
    const { unpublished } = await runInDurableObject(ledger, (_, { storage: { sql } }) =>
      sql.exec("SELECT count(*) AS unpublished FROM events WHERE seq > (SELECT published FROM ledger)").one(),
    );
    expect(unpublished).toBe(0);
  });
  await runDurableObjectAlarm(ledger);
}

/** Runs the stored alarm at its time. @returns its time after `START`, in seconds */
async function ring(ledger: ReturnType<typeof newLedger>): Promise<number | undefined> {
  const alarm = await alarmOf(ledger);
  if (alarm === null) return undefined;
  vi.setSystemTime(Math.max(alarm, Date.now()));
  await runDurableObjectAlarm(ledger);
  return alarm / 1000 - START;
}

describe("an event that was sent to the queue and never attempted", () => {
  it("is sent again after 15 minutes, 2 hours and 8 hours, also if the object restarts", async () => {
    const ledger = await ledgerWithEvent("main", "other");
    for (const delay of [15 * MINUTE, 2 * HOUR, 8 * HOUR]) {
      await evictDurableObject(ledger);
      expect(await ring(ledger)).toBe(delay);
      expect(sent()).toEqual(["1 main", "1 other"]);
    }
    expect(await alarmOf(ledger)).toBeNull();
    await evictDurableObject(ledger);
    setTime(START + 20 * DAY);
    await addEvent(ledger);
    await publish(ledger);
    expect(sent()).toEqual(["2 main", "2 other"]);
  });

  it("is sent with the same id and body", async () => {
    const ledger = await ledgerWithEvent();
    await asOperator("PUT", `/tenants/${ledger.name}/endpoints/main`, ENDPOINT);
    await addEvent(ledger);
    await publish(ledger);
    const first = send.mock.calls.map(([batch]) => [...batch]);
    send.mockClear();
    await ring(ledger);
    expect(send.mock.calls.map(([batch]) => [...batch])).toEqual(first);
  });

  it("is sent again only to endpoints without an attempt", async () => {
    const ledger = await ledgerWithEvent("main", "other");
    const attempt = { endpoint: "main", at: 1, outcome: "failed", status: 500 } as const;
    await ledger.recordAttempt(`evt_${ledger.name}_1`, attempt);
    await ring(ledger);
    expect(sent()).toEqual(["1 other"]);
    await ledger.recordAttempt(`evt_${ledger.name}_1`, { ...attempt, endpoint: "other" });
    expect(await ring(ledger)).toBe(2 * HOUR);
    expect(sent()).toEqual([]);
    expect(await alarmOf(ledger)).toBeNull();
  });

  it("is not sent again once every endpoint was tried, and sets no further alarm", async () => {
    const ledger = await ledgerWithEvent("main");
    await ledger.recordAttempt(`evt_${ledger.name}_1`, { endpoint: "main", at: 1, outcome: "delivered", status: 200 });
    expect(await ring(ledger)).toBe(15 * MINUTE);
    expect(sent()).toEqual([]);
    expect(await alarmOf(ledger)).toBeNull();
  });

  it("is sent again to endpoints that existed at the time, are enabled and subscribed", async () => {
    const ledger = await ledgerWithEvent("disabled", "main", "unsubscribed");
    setTime(START + 1);
    const path = `/tenants/${ledger.name}/endpoints`;
    await asOperator("PUT", `${path}/younger`, ENDPOINT);
    await asOperator("PUT", `${path}/disabled`, { ...ENDPOINT, disabled: true });
    await asOperator("PUT", `${path}/unsubscribed`, { ...ENDPOINT, events: ["upload.failed"] });
    await ring(ledger);
    expect(sent()).toEqual(["1 main"]);
  });

  it("is not sent for ever if no endpoint is subscribed to it", async () => {
    const ledger = newLedger();
    await ledger.learn(1, true);
    await addEvent(ledger);
    await publish(ledger);
    expect(await ring(ledger)).toBe(15 * MINUTE);
    expect(await alarmOf(ledger)).toBeNull();
    await asOperator("PUT", `/tenants/${ledger.name}`, {});
    await asOperator("PUT", `/tenants/${ledger.name}/endpoints/late`, ENDPOINT);
    setTime(START + DAY);
    await evictDurableObject(ledger);
    expect(await alarmOf(ledger)).toBeNull();
    expect(sent()).toEqual([]);
  });

  it("is sent again to a slow endpoint through its queue", async () => {
    const slow = vi.spyOn(env.DELIVERIES_SLOW, "sendBatch").mockResolvedValue({} as QueueSendBatchResponse);
    const ledger = await ledgerWithEvent("main");
    await env.DB.exec("UPDATE endpoints SET slow = 1");
    await ring(ledger);
    expect(sent()).toEqual([]);
    expect(slow).toHaveBeenCalledTimes(1);
    slow.mockRestore();
  });
});

describe("the check for lost events", () => {
  it("runs at most once per 15 minutes, however many events there are", { timeout: 60_000 }, async () => {
    const ledger = await ledgerWithEvent("main");
    const checks: number[] = [];
    const repeated: string[] = [];
    for (let minute = 1; minute <= 60; minute++) {
      setTime(START + minute * MINUTE);
      await addEvent(ledger);
      await publish(ledger);
      const again = sent().filter((line) => line !== `${minute + 1} main`);
      if (again.length > 0) checks.push(minute);
      repeated.push(...again);
    }
    expect(checks).toEqual([15, 30, 45, 60]);
    expect(repeated).toHaveLength(new Set(repeated).size);
    expect(repeated).toHaveLength(46);
  });

  it("finds all of many events, in batches", { timeout: 60_000 }, async () => {
    const ledger = await ledgerWithEvent("main");
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      sql.exec(
        `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO events (created, body) SELECT created, body FROM n, events WHERE seq = 1`,
      );
      sql.exec("UPDATE ledger SET published = 1200");
    });
    await evictDurableObject(ledger);
    for (let check = 0; check < 3; check++) {
      await ring(ledger);
      const repeated = sent();
      expect([repeated.length, new Set(repeated).size]).toEqual([1_200, 1_200]);
    }
    expect(await alarmOf(ledger)).toBeNull();
  });

  it.each([
    ["the queue", () => send.mockRejectedValueOnce(new Error("The queue is overloaded."))],
    ["the registry", () => env.DB.exec("ALTER TABLE endpoints RENAME TO elsewhere")],
  ])("runs again 15 minutes later when %s fails", async (name, fail) => {
    const ledger = await ledgerWithEvent("main");
    await fail();
    expect(await ring(ledger)).toBe(15 * MINUTE);
    if (name === "the registry") await env.DB.exec("ALTER TABLE elsewhere RENAME TO endpoints");
    send.mockClear();
    expect(await ring(ledger)).toBe(30 * MINUTE);
    expect(sent()).toEqual(["1 main"]);
    expect(await ring(ledger)).toBe(2 * HOUR);
    expect(sent()).toEqual(["1 main"]);
  });

  it("does not repeat at once what was published late", { timeout: 60_000 }, async () => {
    const ledger = await ledgerWithEvent("main");
    send.mockRejectedValue(new Error("The queue is overloaded."));
    await addEvent(ledger);
    await vi.waitFor(() => expect(send).toHaveBeenCalled());
    for (let minute = 1; minute <= 40; minute++) {
      setTime(START + minute * MINUTE);
      await runDurableObjectAlarm(ledger);
    }
    send.mockReset().mockResolvedValue({} as QueueSendBatchResponse);
    await ring(ledger);
    expect(sent()).toEqual(["2 main"]);
    await ring(ledger);
    expect(sent()).toEqual(["1 main", "2 main"]);
  });

  it("waits 15 minutes after an outage of the queue, also before anything was checked", async () => {
    const ledger = newLedger();
    await asOperator("PUT", `/tenants/${ledger.name}`, {});
    await asOperator("PUT", `/tenants/${ledger.name}/endpoints/main`, ENDPOINT);
    send.mockRejectedValue(new Error("The queue is overloaded."));
    await addEvent(ledger);
    await vi.waitFor(() => expect(send).toHaveBeenCalled());
    setTime(START + 3 * HOUR);
    send.mockReset().mockResolvedValue({} as QueueSendBatchResponse);
    await runDurableObjectAlarm(ledger);
    expect(sent()).toEqual(["1 main"]);
    expect(await ring(ledger)).toBe(3 * HOUR + 15 * MINUTE);
    expect(sent()).toEqual(["1 main"]);
  });

  it("is not held up by events from before a clock went back", async () => {
    const ledger = await ledgerWithEvent("main");
    setTime(START + 2 * DAY);
    await addEvent(ledger);
    await publish(ledger);
    setTime(START + MINUTE);
    await addEvent(ledger);
    await publish(ledger);
    expect(sent()).toEqual(["1 main", "2 main", "2 main", "3 main"]);
    const again: Record<string, number> = {};
    for (let rings = 0; (await ring(ledger)) !== undefined; rings++) {
      expect(rings).toBeLessThan(30);
      for (const line of sent()) again[line] = (again[line] ?? 0) + 1;
    }
    expect(again).toEqual({ "2 main": 3, "3 main": 3 });
  });

  it("sets a new alarm when the object restarts without one", async () => {
    const ledger = await ledgerWithEvent("main");
    await runInDurableObject(ledger, (_, { storage }) => storage.deleteAlarm());
    await evictDurableObject(ledger);
    expect(await ring(ledger)).toBe(15 * MINUTE);
    expect(sent()).toEqual(["1 main"]);
  });

  it("leaves out the events of before the update", async () => {
    const ledger = await ledgerWithEvent("main");
    await runInDurableObject(ledger, (_, { storage: { sql } }) => {
      for (const table of ["handovers", "checked_events"]) sql.exec(`DROP TABLE ${table}`);
      sql.exec("DROP INDEX uploads_by_label");
      for (const column of ["day", "label", "source", "clipped_from", "editing"])
        sql.exec(`ALTER TABLE uploads DROP COLUMN ${column}`);
      sql.exec("UPDATE schema SET steps = 6");
    });
    await evictDurableObject(ledger);
    await addEvent(ledger);
    await publish(ledger);
    sent();
    await ring(ledger);
    expect(sent()).toEqual(["2 main"]);
  });

  it("reads few rows of a ledger with many events", async () => {
    const ledger = await ledgerWithEvent("main");
    const rowsRead = await runInDurableObject(ledger, async (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO events (created, body) SELECT ?, '{"type":"upload.ready"}' FROM n`,
        now(),
      );
      storage.sql.exec("UPDATE ledger SET published = 20000");
      storage.sql.exec("UPDATE checked_events SET seq = 19000");
      setTime(START + HOUR);
      const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
      const exec = (query: string, ...values: SqlStorageValue[]) => {
        const cursor = storage.sql.exec(query, ...values);
        cursors.push(cursor);
        return cursor;
      };
      const sql = { exec } as unknown as SqlStorage;
      const host = { now } as LedgerHost;
      const publisher = new EventPublisher(sql, new LedgerStore(storage, now()), new Outbox(sql, "acme"), "acme", host);
      expect(publisher.nextHandover()).toBe(START + 15 * MINUTE);
      const registry = { uncached: { endpoints: async () => ok([]) } } as unknown as CachedRegistry;
      await publisher.handOver(() => ({ registry, deliveries: { send: async () => {} } }) as never);
      expect(storage.sql.exec("SELECT seq FROM checked_events").one()).toEqual({ seq: 20_000 });
      expect(publisher.nextHandover()).toBeUndefined();
      return cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0);
    });
    // 1,000 events: by number, in the list of numbers, and as rows.
    expect(rowsRead).toBeLessThan(5_000);
  });

  it("adds no row write to a creation", async () => {
    const ledger = await ledgerWithEvent("main");
    await issueUpload(ledger, { version: 1e15 });
    const tables = await runInDurableObject(ledger, (_, { storage: { sql } }) => ({
      handovers: sql.exec("SELECT count(*) AS n FROM handovers").one()["n"],
      checked: sql.exec("SELECT seq FROM checked_events").one()["seq"],
    }));
    expect(tables).toEqual({ handovers: 0, checked: 0 });
  });
});
