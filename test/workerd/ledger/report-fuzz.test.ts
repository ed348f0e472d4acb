import { runInDurableObject } from "cloudflare:test";
import { v7 as uuidv7 } from "uuid";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { Random } from "../../fuzz/random.ts";
import { HostileReports } from "../../support/hostile-reports.ts";
import {
  LOCATION,
  expectLedgerConsistent,
  newLedger,
  newUid,
  now,
  reservationRequest,
  signTag,
} from "../support/ledger.ts";

/**
 * Whatever Stream says: the totals of a real ledger equal the sum of its rows. The rules take 100,000 reports in
 * test/unit/quota/report-fuzz.test.ts; a ledger takes some minutes for as many.
 */

const REPORTS = 20_000;
const ROUND = 2_000;
const SEED = 15;

afterEach(() => void vi.useRealTimers());

describe("a ledger after 20,000 reports of any kind", () => {
  it("has totals that equal its rows and are finite and never negative", { timeout: 300_000 }, async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const random = new Random(SEED);
    const ledger = newLedger();
    await ledger.learn(1, true);
    const reports = new HostileReports(random);
    const applied = { recorded: 0, compared: 0, imported: 0, states: new Set<unknown>() };
    for (let sent = 0; sent < REPORTS; sent += ROUND) {
      // Across days and months, which start new totals.
      vi.setSystemTime(Date.now() + random.below(2 * 86_400_000));
      const ids = Array.from({ length: 60 }, () => uuidv7({ msecs: Date.now() }));
      for (const [index, id] of ids.entries()) {
        const uid = newUid();
        reports.know(uid, await signTag(ledger.name, id));
        // The tags of the others are of uploads that the ledger has lost: they are imported.
        if (index % 3 === 0) continue;
        await ledger.reserve(reservationRequest({ id, upstream: "live", seconds: 600, bytes: 1_000 }));
        if (index % 3 === 1) await ledger.attach(id, uid, LOCATION);
        else await ledger.leaveUnknown(id);
      }
      await runInDurableObject(ledger, async (object: TenantLedger) => {
        for (let round = 0; round < ROUND; round += 20) {
          const videos = Array.from({ length: 20 }, () => reports.next()).filter((video) => video !== undefined);
          const page = { from: now() - 1_000, to: now(), videos };
          if (random.chance(0.2)) {
            const { settled, adopted } = await object.compare("live", page);
            applied.compared += settled;
            applied.imported += adopted;
          } else if (random.chance(0.1)) await object.recordSearch("live", page);
          else for (const video of videos) applied.recorded += Number(await object.record("live", video));
          const cancelled = random.pick(ids);
          if (cancelled !== undefined && random.chance(0.1)) object.cancel(cancelled, Infinity);
        }
      });
      await expectLedgerConsistent(ledger);
    }
    const { rows, totals } = await runInDurableObject(ledger, (object: TenantLedger, { storage }) => ({
      rows: storage.sql.exec("SELECT * FROM uploads").toArray(),
      totals: object.usage(),
    }));
    for (const { bytes, seconds, created, expires, due, creator, video, state } of rows) {
      applied.states.add(state);
      for (const [value, most] of [
        [bytes, 3e11],
        [seconds, 360_000],
      ] as const) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(most);
      }
      expect(Number.isSafeInteger(bytes)).toBe(true);
      for (const time of [created, expires, due ?? 0]) expect(time).toBeLessThan(now() + 7 * 86_400);
      expect(String(creator ?? "").length).toBeLessThanOrEqual(64);
      expect(String(video ?? "").length).toBeLessThanOrEqual(16_384);
    }
    for (const value of [totals.pending, totals.videos, totals.storedSeconds, ...Object.values(totals.month)]) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1e15);
    }
    // The reports have reached all of it.
    expect(applied.recorded).toBeGreaterThan(REPORTS / 10);
    expect(Math.min(applied.compared, applied.imported)).toBeGreaterThan(20);
    for (const state of ["ready", "deleted", "failed", "cancelled", "issued"]) expect(applied.states).toContain(state);

    // Deleting all of it leaves nothing.
    for (const { id, state } of rows) if (state !== "deleted") await ledger.cancel(String(id), Infinity);
    expect(await ledger.usage()).toMatchObject({ videos: 0, storedSeconds: 0 });
    await expectLedgerConsistent(ledger);
  });
});
