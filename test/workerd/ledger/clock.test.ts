import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  expectLedgerConsistent,
  issueUpload,
  newLedger,
  now,
  reservationRequest,
  reserve,
  streamVideo,
} from "../support/ledger.ts";

const NOON = Date.UTC(2040, 10, 22, 12, 0, 0);
const [HOUR, DAY] = [3_600, 86_400];

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOON }));
afterEach(() => void vi.useRealTimers());

const step = (seconds: number) => void vi.setSystemTime(Date.now() + seconds * 1_000);
const startOfDay = (seconds: number) => seconds - (seconds % DAY);

describe("TenantLedger, when its clock goes back", () => {
  it.each([
    ["a second", 1],
    ["a day", DAY],
    ["a year", 365 * DAY],
  ])("counts creations for the day that has begun: by %s", async (_, seconds) => {
    vi.setSystemTime((startOfDay(now()) + DAY) * 1_000);
    const ledger = newLedger();
    const limits = { quota: { day: { uploads: 3 }, month: { uploads: 4 } } };
    const create = async () => (await reserve(ledger, reservationRequest({ limits }))).kind;
    expect(await create()).toBe("reserved");
    step(-seconds);
    expect([await create(), await create(), await create(), await create()]).toEqual([
      "reserved",
      "reserved",
      "refused",
      "refused",
    ]);
    expect(await ledger.usage()).toMatchObject({ day: { uploads: 3 }, month: { uploads: 3 } });
    await expectLedgerConsistent(ledger);
    await evictDurableObject(ledger);
    expect(await create()).toBe("refused");
    await expectLedgerConsistent(ledger);

    // The day ends when the clock says so.
    step(seconds);
    expect(await create()).toBe("refused");
    step(DAY);
    expect([await create(), await create()]).toEqual(["reserved", "refused"]);
    expect(await ledger.usage()).toMatchObject({ day: { uploads: 1 }, month: { uploads: 4 } });
    await expectLedgerConsistent(ledger);
  });

  it("counts what becomes of an upload for the day that it was counted for", async () => {
    const ledger = newLedger();
    step(DAY);
    await issueUpload(ledger);
    step(-DAY);
    const { id, uid } = await issueUpload(ledger);
    expect(await ledger.usage()).toMatchObject({ day: { uploads: 2, seconds: 120, bytes: 200 } });
    await ledger.record("default", streamVideo(uid, "ready"));
    expect(await ledger.usage()).toMatchObject({ day: { uploads: 2, seconds: 72, bytes: 190 } });
    await ledger.cancel(id, Infinity);
    await evictDurableObject(ledger);
    expect(await ledger.usage()).toMatchObject({ videos: 0, day: { uploads: 2, seconds: 72 } });
    await expectLedgerConsistent(ledger);
  });

  it("keeps the totals of a month that ended too early", async () => {
    const ledger = newLedger();
    await issueUpload(ledger);
    step(30 * DAY);
    await issueUpload(ledger);
    step(-30 * DAY);
    const { id } = await issueUpload(ledger);
    const [november, december] = [Date.UTC(2040, 10, 1) / 1_000, Date.UTC(2040, 11, 1) / 1_000];
    expect(await ledger.usageOfMonth(november)).toMatchObject({ uploads: 1 });
    expect(await ledger.usageOfMonth(december)).toMatchObject({ uploads: 2, bytes: 200 });
    await ledger.cancel(id, Infinity);
    expect(await ledger.usageOfMonth(december)).toMatchObject({ uploads: 2, bytes: 100 });
    step(62 * DAY);
    await issueUpload(ledger);
    expect(await ledger.usageOfMonth(november)).toMatchObject({ uploads: 1 });
    expect(await ledger.usageOfMonth(december)).toMatchObject({ uploads: 2, bytes: 100 });
  });

  describe("with a limit of creations per minute", () => {
    const limits = { rate: { tenant: 2 } };
    const setUp = async () => {
      const ledger = newLedger();
      const create = async () => {
        const outcome = await reserve(ledger, reservationRequest({ limits }));
        return outcome.kind === "refused" ? (outcome.problem.retryAfterSeconds ?? 0) : 0;
      };
      expect([await create(), await create()]).toEqual([0, 0]);
      return { ledger, create };
    };

    it.each([30, HOUR, DAY])("begins no new minute: by %i s", async (seconds) => {
      const { ledger, create } = await setUp();
      step(-seconds);
      expect(await create()).toBe(60);
      step(seconds + 1);
      expect(await create()).toBe(59);
      step(-seconds - 1);
      await evictDurableObject(ledger);
      expect(await create()).toBe(60);
      step(seconds + 1);
      expect(await create()).toBe(59);
    });

    it.each([HOUR, DAY])("admits creations again after a minute: by %i s", async (seconds) => {
      const { create } = await setUp();
      step(-seconds);
      expect(await create()).toBe(60);
      step(59);
      expect(await create()).toBeGreaterThan(0);
      step(1);
      expect([await create(), await create(), await create()]).toEqual([0, 0, 60]);
    });
  });

  it("supersedes a creation that has no answer and seems to be in the future", async () => {
    const ledger = newLedger();
    const idempotency = { key: "a key", fingerprint: "f", once: false };
    const request = () => reservationRequest({ idempotency, answerSeconds: 15 });
    await reserve(ledger, request());
    step(-10);
    expect(await reserve(ledger, request())).toEqual({ kind: "in progress" });
    step(-HOUR);
    expect(await reserve(ledger, request())).toEqual({ kind: "reserved" });
    expect(await ledger.usage()).toMatchObject({ pending: 1, day: { uploads: 1 } });
    await expectLedgerConsistent(ledger);
  });

  it("ends a creation that has no answer and seems to be in the future", async () => {
    const ledger = newLedger();
    await ledger.reserve(reservationRequest());
    step(-HOUR);
    await ledger.reserve(reservationRequest());
    step(60);
    await runDurableObjectAlarm(ledger);
    step(90);
    await runDurableObjectAlarm(ledger);
    expect(await ledger.usage()).toMatchObject({ pending: 0, storedSeconds: 0, day: { uploads: 0 } });
    await expectLedgerConsistent(ledger);
  });

  it("writes the totals once, and not with each creation", async () => {
    const ledger = newLedger();
    step(DAY);
    await ledger.learn(1, false);
    step(-DAY);
    const writes = () =>
      runInDurableObject(
        ledger,
        (_, { storage }) => storage.sql.exec<{ batch: number }>("SELECT batch FROM ledger").one().batch,
      );
    await issueUpload(ledger);
    const before = await writes();
    for (let creations = 0; creations < 10; creations++) await issueUpload(ledger);
    expect(await writes()).toBe(before);
    await expectLedgerConsistent(ledger);
  });
});

describe("UpstreamBudget, when its clock goes back", () => {
  let count = 0;
  const setUp = async () => {
    const budget = env.BUDGET.getByName(`clock-${++count}`);
    const acquire = (tenant = "acme") => budget.acquire(3, tenant, "foreground");
    expect([await acquire(), await acquire(), await acquire("other")]).toEqual([0, 0, 0]);
    return { budget, acquire };
  };

  it.each([30, HOUR, DAY])("grants no call more in five minutes: by %i s", async (seconds) => {
    const { budget, acquire } = await setUp();
    step(-seconds);
    expect(await acquire()).toBe(300);
    step(seconds + 10);
    expect(await acquire()).toBeGreaterThan(200);
    step(-seconds - 10);
    await evictDurableObject(budget);
    expect(await acquire()).toBe(300);
    step(seconds + 10);
    expect(await acquire()).toBeGreaterThan(200);
  });

  it.each([HOUR, DAY])("grants calls again after five minutes: by %i s", async (seconds) => {
    const { budget, acquire } = await setUp();
    await budget.close(300);
    step(-seconds);
    expect(await acquire()).toBe(300);
    step(299);
    expect(await acquire()).toBeGreaterThan(0);
    step(1);
    expect([await acquire(), await acquire("other")]).toEqual([0, 0]);
  });

  it("forgets a cool-down of a time that was wrong, also if it restarts before each call", async () => {
    const budget = env.BUDGET.getByName(`clock-${++count}`);
    const acquire = () => budget.acquire(100, "acme", "foreground");
    step(DAY);
    await acquire();
    await budget.close(300);
    expect(await acquire()).toBe(300);
    step(-DAY);
    await evictDurableObject(budget);
    expect(await acquire()).toBe(0);
  });
});
