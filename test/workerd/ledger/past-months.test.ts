import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KEEP_MONTHS } from "../../../src/core/quota/rules/usage-month.ts";
import { type CountedUpload, applyToTotals, emptyTotals } from "../../../src/core/quota/rules/usage-totals.ts";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { startOfMonth } from "../../../src/core/shared/time.ts";
import {
  type LedgerStub,
  LOCATION,
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  streamVideo,
  tagged,
} from "../support/ledger.ts";

/** In the future, so that no alarm runs in these tests. */
const YEAR = 2040;
const at = (month: number, day = 15, hour = 12) => vi.setSystemTime(Date.UTC(YEAR, month - 1, day, hour));
const monthOf = (month: number) => Date.UTC(YEAR, month - 1, 1) / 1000;
const usageOf = async (ledger: LedgerStub, month: number) => ledger.usageOfMonth(monthOf(month));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  at(6);
});
afterEach(() => void vi.useRealTimers());

/** Sum over all uploads of a month. */
async function recount(ledger: LedgerStub, start: number) {
  const rows = await runInDurableObject(ledger, (_, { storage }) =>
    storage.sql.exec<CountedUpload & Record<string, SqlStorageValue>>("SELECT * FROM uploads").toArray(),
  );
  let totals = emptyTotals(start);
  for (const row of rows) if (startOfMonth(row.created) === start) totals = applyToTotals(totals, undefined, row);
  const { uploads, bytes, seconds } = totals.month;
  return { uploads, bytes, seconds };
}

describe("the totals of past months", () => {
  it("are what the month counted, also for the current month and after a restart", async () => {
    const ledger = newLedger();
    for (let index = 0; index < 3; index++) await ledger.reserve(reservationRequest());
    const june = { uploads: 3, bytes: 300, seconds: 180 };
    expect(await usageOf(ledger, 6)).toEqual(june);
    at(7);
    expect(await usageOf(ledger, 6)).toEqual(june);
    expect(await usageOf(ledger, 7)).toEqual({ uploads: 0, bytes: 0, seconds: 0 });
    await ledger.reserve(reservationRequest());
    await evictDurableObject(ledger);
    expect(await usageOf(ledger, 6)).toEqual(june);
    expect(await usageOf(ledger, 7)).toEqual({ uploads: 1, bytes: 100, seconds: 60 });
    await expectLedgerConsistent(ledger);
  });

  it("follow what becomes of the month's uploads later", async () => {
    const ledger = newLedger();
    const [ready, cancelled, released] = [await issueUpload(ledger), await issueUpload(ledger), reservationRequest()];
    await ledger.reserve(released);
    at(7);
    await ledger.reserve(reservationRequest());
    await ledger.record("default", streamVideo(ready.uid, "ready"));
    expect(await usageOf(ledger, 6)).toEqual({ uploads: 3, bytes: 290, seconds: 132 });
    await ledger.cancel(cancelled.id, 1);
    expect(await usageOf(ledger, 6)).toEqual({ uploads: 3, bytes: 190, seconds: 72 });
    await ledger.release(released.id, "refused");
    expect(await usageOf(ledger, 6)).toEqual({ uploads: 2, bytes: 90, seconds: 12 });
    await evictDurableObject(ledger);
    expect(await usageOf(ledger, 6)).toEqual({ uploads: 2, bytes: 90, seconds: 12 });
    // A deleted video has used the month's quota all the same.
    at(8);
    await ledger.cancel(ready.id, 1);
    expect(await usageOf(ledger, 6)).toEqual({ uploads: 2, bytes: 90, seconds: 12 });
    expect(await usageOf(ledger, 7)).toEqual({ uploads: 1, bytes: 100, seconds: 60 });
  });

  it("are zero for months without uploads, before the first one and between two", async () => {
    const ledger = newLedger();
    const nothing = { uploads: 0, bytes: 0, seconds: 0 };
    expect(await usageOf(ledger, 5)).toEqual(nothing);
    await ledger.reserve(reservationRequest());
    at(9);
    await ledger.reserve(reservationRequest());
    for (const month of [5, 7, 8]) expect(await usageOf(ledger, month)).toEqual(nothing);
    expect(await usageOf(ledger, 6)).toMatchObject({ uploads: 1 });
  });

  it("are kept for 13 months, one row each", async () => {
    const ledger = newLedger();
    for (let month = 1; month <= 20; month++) {
      at(month);
      await ledger.reserve(reservationRequest());
    }
    const rows = await runInDurableObject(ledger, (_, { storage }) =>
      storage.sql.exec<{ start: number }>("SELECT start FROM months ORDER BY start").toArray(),
    );
    expect(rows.map(({ start }) => start)).toEqual(
      Array.from({ length: KEEP_MONTHS }, (_, index) => monthOf(index + 7)),
    );
  });

  it("cost two rows once a month, and none otherwise", async () => {
    const ledger = newLedger();
    const written = () =>
      runInDurableObject(ledger, (object: TenantLedger, { storage }) => {
        const before = storage.sql.exec("SELECT total_changes() AS n").one()["n"] as number;
        object.reserve(reservationRequest());
        return (storage.sql.exec("SELECT total_changes() AS n").one()["n"] as number) - before;
      });
    await written();
    const usual = await written();
    at(7);
    expect([await written(), await written()]).toEqual([usual + 2, usual]);
  });

  it("are unknown before the ledger kept them, for a ledger that had uploads then", async () => {
    const ledger = newLedger();
    await ledger.learn(1, false);
    await ledger.reserve(reservationRequest());
    await runInDurableObject(ledger, (_, { storage }) => storage.sql.exec("UPDATE ledger SET rekeyed = ?", now()));
    await evictDurableObject(ledger);
    expect(await usageOf(ledger, 5)).toBeUndefined();
    expect(await usageOf(ledger, 6)).toMatchObject({ uploads: 1 });
    at(7);
    await ledger.reserve(reservationRequest());
    expect(await usageOf(ledger, 6)).toMatchObject({ uploads: 1 });
    expect(await usageOf(ledger, 5)).toBeUndefined();
  });

  it("include an imported video of a past month", async () => {
    const ledger = newLedger();
    const [created, uploadId] = [Date.UTC(YEAR, 3, 3) / 1000, uuidv7({ msecs: Date.UTC(YEAR, 3, 3) })];
    const video = streamVideo(newUid(), "ready", { ...(await tagged(ledger, uploadId)), created });
    await ledger.compare("default", { from: created - 60, to: created + 60, videos: [video] });
    expect(await usageOf(ledger, 4)).toEqual({ uploads: 1, bytes: 90, seconds: 12 });
    await evictDurableObject(ledger);
    expect(await usageOf(ledger, 4)).toEqual({ uploads: 1, bytes: 90, seconds: 12 });
    await expectLedgerConsistent(ledger);
  });

  it(
    "equal the sum over the uploads of the month, after any changes, times and restarts",
    { timeout: 60_000 },
    async () => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ kind: fc.constant("reserve" as const) }) },
        {
          weight: 4,
          arbitrary: fc.record({ kind: fc.constantFrom("ready" as const, "cancel" as const), which: fc.nat(20) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constantFrom("release" as const, "lost" as const), which: fc.nat(20) }),
        },
        {
          weight: 3,
          arbitrary: fc.record({ kind: fc.constant("wait" as const), days: fc.integer({ min: 1, max: 40 }) }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
          at(1);
          const ledger = newLedger();
          const made: { id: string; uid: string }[] = [];
          for (const one of steps) {
            const upload = "which" in one ? made[one.which % made.length] : undefined;
            if (one.kind === "reserve") {
              const [request, uid] = [reservationRequest(), newUid()];
              await ledger.reserve(request);
              if (made.length % 3 > 0) await ledger.attach(request.id, uid, LOCATION);
              made.push({ id: request.id, uid });
            } else if (one.kind === "wait") vi.setSystemTime(Date.now() + one.days * 86_400_000);
            else if (one.kind === "restart") await ledger.usage().then(() => evictDurableObject(ledger));
            else if (upload && one.kind === "ready") await ledger.record("default", streamVideo(upload.uid, "ready"));
            else if (upload && one.kind === "cancel") await ledger.cancel(upload.id, 1);
            else if (upload && one.kind === "release") await ledger.release(upload.id, "unsent");
            else if (upload) await ledger.leaveUnknown(upload.id);
          }
          await expectLedgerConsistent(ledger);
          for (let start = monthOf(1); start <= now(); start = startOfMonth(start, 1))
            if (start >= startOfMonth(now(), -KEEP_MONTHS))
              expect(await ledger.usageOfMonth(start)).toEqual(await recount(ledger, start));
        }),
        { numRuns: 60 },
      );
    },
  );
});
