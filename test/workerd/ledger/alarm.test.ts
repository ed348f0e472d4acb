import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TenantLedger } from "../../../src/durable-objects/tenant-ledger/tenant-ledger.ts";
import {
  LOCATION,
  type LedgerStub,
  alarmOf,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
} from "../support/ledger.ts";

describe("the alarm of a TenantLedger", () => {
  afterEach(() => void vi.useRealTimers());

  it("is set to one minute after a creation, and then to one minute after the earliest expiry of a URL", async () => {
    const ledger = newLedger();
    const expires = now() + 1_800;
    const created = now();
    await issueUpload(ledger, { expires: expires + 600 });
    await issueUpload(ledger, { expires });
    await issueUpload(ledger, { expires: expires + 900 });
    expect(await alarmOf(ledger)).toBeGreaterThanOrEqual((created + 60) * 1000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual((created + 62) * 1000);
    await runDurableObjectAlarm(ledger);
    expect(await alarmOf(ledger)).toBe((expires + 60) * 1000);
  });

  describe("after it was lost", () => {
    const alarmOf = (ledger: LedgerStub) => runInDurableObject(ledger, (_, { storage }) => storage.getAlarm());
    const loseAlarm = async (ledger: LedgerStub) => {
      await runInDurableObject(ledger, (_, { storage }) => storage.deleteAlarm());
      await evictDurableObject(ledger);
    };
    /** Restarts the object after that time. @returns its alarm */
    const restartAfter = async (ledger: LedgerStub, seconds: number) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1_000 });
      await evictDurableObject(ledger);
      return alarmOf(ledger);
    };

    it("is set to the next due upload when the object restarts", async () => {
      const ledger = newLedger();
      const expires = now() + 1_800;
      await issueUpload(ledger, { expires });
      await loseAlarm(ledger);
      expect(await alarmOf(ledger)).toBe((expires + 60) * 1_000);
    });

    it("is set to one minute from now when an upload is overdue and the stored alarm is old", async () => {
      const ledger = newLedger();
      await ledger.reserve(reservationRequest());
      expect(await restartAfter(ledger, 7_200)).toBe((now() + 60) * 1_000);
    });

    it("is set to at most one minute from now when events are unpublished", async () => {
      const ledger = newLedger();
      await ledger.learn(1, true);
      await env.DB.exec("ALTER TABLE endpoints RENAME TO elsewhere");
      const one = reservationRequest();
      await ledger.reserve(one);
      await ledger.attach(one.id, newUid(), LOCATION);
      await loseAlarm(ledger);
      expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 60_000);
      await env.DB.exec("ALTER TABLE elsewhere RENAME TO endpoints");
    });

    it("is kept when it is late by two minutes only", async () => {
      const ledger = newLedger();
      const expires = now() + 1_800;
      await issueUpload(ledger, { expires });
      await runDurableObjectAlarm(ledger);
      expect(await restartAfter(ledger, 1_800 + 60 + 120)).toBe((expires + 60) * 1_000);
    });

    it("is not set while it may be running", async () => {
      const ledger = newLedger();
      await issueUpload(ledger);
      await runInDurableObject(ledger, (_, { storage }) => storage.deleteAlarm());
      expect(await restartAfter(ledger, 1_800 + 60 + 120)).toBeNull();
    });

    it("is not set when nothing is due", async () => {
      const ledger = newLedger();
      await loseAlarm(ledger);
      expect(await alarmOf(ledger)).toBeNull();
    });
  });

  it("is set to one minute from now after it failed", async () => {
    const ledger = newLedger();
    await issueUpload(ledger, { expires: now() - 100 });
    await runInDurableObject(ledger, (_, { storage }) =>
      storage.sql.exec("CREATE TRIGGER full BEFORE UPDATE ON uploads BEGIN SELECT RAISE(ABORT, 'full'); END").toArray(),
    );
    await runDurableObjectAlarm(ledger);
    const alarm = await alarmOf(ledger);
    expect(alarm).toBeGreaterThan(Date.now() + 55_000);
    expect(alarm).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  it("is set again when Stream is not reachable", async () => {
    const ledger = newLedger();
    await issueUpload(ledger, { expires: now() - 100 });
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    expect(await ledger.usage()).toMatchObject({ pending: 1 });
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now());
  });

  it("is set again after the transaction that set it failed", async () => {
    const ledger = newLedger();
    const { id } = await issueUpload(ledger);
    await ledger.learn(1, true);
    const inStorage = <T>(work: (storage: DurableObjectStorage) => T) =>
      runInDurableObject(ledger, (_, { storage }) => work(storage));
    await inStorage(({ sql }) => void sql.exec("ALTER TABLE events RENAME TO elsewhere"));
    await runInDurableObject(ledger, (object: TenantLedger) =>
      expect(() => object.cancel(id, Infinity)).toThrow("events"),
    );
    await inStorage(({ sql }) => void sql.exec("ALTER TABLE elsewhere RENAME TO events"));
    expect(await ledger.find(id)).toMatchObject({ state: "issued" });
    expect(await ledger.usage()).toMatchObject({ pending: 1 });
    await ledger.learn(2, false);
    await ledger.cancel(id, Infinity);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 31_000);
  });
});
