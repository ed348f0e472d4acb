import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { v7 as uuidv7 } from "uuid";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import { LOCATION, expectLedgerConsistent, newLedger, newUid, reservationRequest } from "../support/ledger.ts";

describe("the totals of a TenantLedger", () => {
  afterEach(() => void vi.useRealTimers());

  it("equal the sum over all rows, before and after an eviction", async () => {
    const ledger = newLedger();
    const ids = Array.from({ length: 5 }, () => reservationRequest({ creator: "u" }));
    for (const one of ids) await ledger.reserve(one);
    await ledger.attach(ids[0]?.id ?? "", newUid(), LOCATION);
    await ledger.release(ids[1]?.id ?? "", "refused");
    const before = await ledger.usage();
    await evictDurableObject(ledger);
    expect(await ledger.usage()).toEqual(before);
    await expectLedgerConsistent(ledger);
  });

  it("are written every 64 uploads, and include newer uploads after a restart", async () => {
    const ledger = newLedger();
    const batch = () =>
      runInDurableObject(ledger, (_, { storage }) => storage.sql.exec("SELECT batch FROM ledger").toArray()[0]);
    for (let index = 0; index < 64; index++) await ledger.reserve(reservationRequest());
    expect(await batch()).toBeUndefined();
    await expectLedgerConsistent(ledger);
    await ledger.reserve(reservationRequest());
    await ledger.reserve(reservationRequest());
    expect(await batch()).toEqual({ batch: 2 });
    await expectLedgerConsistent(ledger);
    await evictDurableObject(ledger);
    for (let index = 0; index < 62; index++) await ledger.reserve(reservationRequest());
    expect(await batch()).toEqual({ batch: 2 });
    await ledger.reserve(reservationRequest());
    expect(await batch()).toEqual({ batch: 3 });
    await expectLedgerConsistent(ledger);
  });

  it("include uploads whose ids are older than the stored totals, and in another order", async () => {
    const ledger = newLedger();
    await ledger.learn(1, false);
    const ids = [0, -30_000, -61_000, -3_600_000, 30_000].map((offset) => uuidv7({ msecs: Date.now() + offset }));
    for (const id of ids) {
      await ledger.reserve(reservationRequest({ id }));
      await expectLedgerConsistent(ledger);
    }
    await evictDurableObject(ledger);
    await expectLedgerConsistent(ledger);
    expect(await ledger.usage()).toMatchObject({ pending: 5 });
  });

  it("include an upload that replaces a released one", async () => {
    const ledger = newLedger();
    const one = reservationRequest();
    await ledger.reserve(reservationRequest());
    await ledger.reserve(one);
    await ledger.release(one.id, "refused");
    await ledger.reserve(reservationRequest({ bytes: 200 }));
    await expectLedgerConsistent(ledger);
    await ledger.learn(1, false);
    await ledger.reserve(reservationRequest({ bytes: 300 }));
    await expectLedgerConsistent(ledger);
    expect(await ledger.usage()).toMatchObject({ pending: 3, day: { bytes: 600 } });
  });

  it("count an uncounted upload of yesterday for its month only after a restart", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 6, 9, 12) });
    const ledger = newLedger();
    await ledger.reserve(reservationRequest());
    vi.setSystemTime(Date.UTC(2026, 6, 10, 1));
    await ledger.reserve(reservationRequest());
    await expectLedgerConsistent(ledger);
    await evictDurableObject(ledger);
    await expectLedgerConsistent(ledger);
    expect(await ledger.usage()).toMatchObject({ pending: 2, day: { uploads: 1 }, month: { uploads: 2 } });
  });

  it("stay correct after a failed reservation", async () => {
    const ledger = newLedger();
    const one = reservationRequest();
    await ledger.reserve(one);
    await runInDurableObject(ledger, (object: TenantLedger) => expect(() => object.reserve(one)).toThrow(/UNIQUE/));
    await expectLedgerConsistent(ledger);
  });
});
