import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { KEEP_FINISHED_SECONDS } from "../../../src/core/uploads/rules/upload-record.ts";
import { Outbox } from "../../../src/durable-objects/tenant-ledger/outbox.ts";
import { type LedgerStub, issueUpload, newLedger, now, streamVideo } from "../support/ledger.ts";

describe("pruning by the alarm of a TenantLedger", () => {
  /** Sets the age of rows. */
  const age = (ledger: LedgerStub, table: "uploads" | "events", seconds: number, ids: readonly (string | number)[]) =>
    runInDurableObject(ledger, (_, { storage: { sql } }) => {
      const id = table === "uploads" ? "id" : "seq";
      const list = JSON.stringify(ids);
      sql.exec(
        `UPDATE ${table} SET created = ? WHERE ${id} IN (SELECT value FROM json_each(?))`,
        now() - seconds,
        list,
      );
    });
  const kept = async (ledger: LedgerStub) => (await ledger.list({ limit: 20 })).uploads.map(({ id }) => id).toSorted();

  it("deletes finished uploads without a video after their retention", async () => {
    const ledger = newLedger();
    const cancelled = async () => {
      const { id } = await issueUpload(ledger);
      await ledger.cancel(id, Infinity);
      await ledger.confirmGone(id);
      return id;
    };
    const [old, recent, ready, undeleted] = [
      await cancelled(),
      await cancelled(),
      await issueUpload(ledger),
      await issueUpload(ledger),
    ];
    await ledger.record("default", streamVideo(ready.uid, "ready"));
    await ledger.cancel(undeleted.id, Infinity);
    const newest = await cancelled();
    await age(ledger, "uploads", KEEP_FINISHED_SECONDS + 60, [old, ready.id, undeleted.id, newest]);
    await runDurableObjectAlarm(ledger);
    expect(await kept(ledger)).toEqual([recent, ready.id, undeleted.id].toSorted());

    // Later alarms scan the same rows again.
    await age(ledger, "uploads", KEEP_FINISHED_SECONDS + 60, [recent]);
    for (let alarms = 0; alarms < 2; alarms++) {
      await ledger.compare("default", { from: 0, to: now(), videos: [] });
      await runDurableObjectAlarm(ledger);
    }
    expect(await kept(ledger)).toEqual([ready.id, undeleted.id].toSorted());
  });

  it("deletes events older than a month with their attempts, except the newest event", async () => {
    const ledger = newLedger();
    const { name } = ledger;
    await ledger.learn(1, true);
    for (let count = 0; count < 3; count++) {
      await issueUpload(ledger);
      await ledger.recordAttempt(`evt_${name}_${count + 1}`, { endpoint: "a", at: 1, outcome: "delivered" });
    }
    await age(ledger, "events", 30 * 24 * 60 * 60 + 60, [1, 3]);
    await runDurableObjectAlarm(ledger);
    const remaining = await runInDurableObject(ledger, (_, { storage: { sql } }) => ({
      events: sql.exec("SELECT seq FROM events").toArray(),
      attempts: sql.exec("SELECT event FROM attempts").toArray(),
    }));
    expect(remaining).toEqual({ events: [{ seq: 2 }, { seq: 3 }], attempts: [{ event: 2 }, { event: 3 }] });
  });

  it("reads a limited number of rows to delete events", async () => {
    const rowsRead = await runInDurableObject(newLedger(), (_, { storage: { sql } }) => {
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
});
