import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import type { ReleaseCause, ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import {
  LOCATION,
  type LedgerStub,
  issueUpload,
  newLedger,
  newUid,
  now,
  reservationRequest,
  reserve,
} from "../support/ledger.ts";

const UID = newUid();

describe("TenantLedger.reserve", () => {
  it("counts a reservation until it is released", async () => {
    const ledger = newLedger();
    const one = reservationRequest();
    expect(await reserve(ledger, one)).toEqual({ kind: "reserved" });
    expect(await ledger.usage()).toMatchObject({
      pending: 1,
      storedSeconds: 60,
      day: { uploads: 1, bytes: 100, seconds: 60 },
      month: { uploads: 1, bytes: 100, seconds: 60 },
    });
    await ledger.release(one.id, "refused");
    expect(await ledger.usage()).toMatchObject({
      pending: 0,
      storedSeconds: 0,
      day: { uploads: 0, bytes: 0, seconds: 0 },
    });
    expect(await ledger.attach(one.id, UID, LOCATION)).toBe(false);
  });

  it("keeps a reservation that is attached, even if it is released or marked unknown later", async () => {
    const ledger = newLedger();
    const one = reservationRequest();
    await ledger.reserve(one);
    expect(await ledger.attach(one.id, UID, LOCATION)).toBe(true);
    await ledger.release(one.id, "refused");
    await ledger.leaveUnknown(one.id);
    expect(await ledger.usage()).toMatchObject({ pending: 1 });
  });

  it.each<[string, object, Partial<ReservationRequest>, object]>([
    ["pending", { pending: 2 }, {}, { name: "pending", used: 2, allowed: 2 }],
    [
      "pending of a creator",
      { pendingPerCreator: 2 },
      { creator: "u" },
      { name: "pendingPerCreator", used: 2, allowed: 2 },
    ],
    ["stored seconds", { storedSeconds: 179 }, {}, { name: "storedSeconds", used: 120, allowed: 179 }],
    ["creations per minute", { rate: { tenant: 2 } }, {}, { name: "rate.tenant", used: 2, allowed: 2 }],
    [
      "creations per minute of a creator",
      { rate: { creator: 2 } },
      { creator: "u" },
      { name: "rate.creator", used: 2, allowed: 2 },
    ],
    ["uploads of a day", { quota: { day: { uploads: 2 } } }, {}, { name: "quota.day.uploads", used: 2, allowed: 2 }],
    [
      "bytes of a month",
      { quota: { month: { bytes: 299 } } },
      {},
      { name: "quota.month.bytes", used: 200, allowed: 299 },
    ],
    [
      "seconds of a day",
      { quota: { day: { seconds: 179 } } },
      {},
      { name: "quota.day.seconds", used: 120, allowed: 179 },
    ],
  ])("refuses a reservation beyond the limit, with its usage: %s", async (_, limits, more, limit) => {
    const ledger = newLedger();
    for (let index = 0; index < 2; index++)
      expect(await reserve(ledger, reservationRequest({ limits, ...more }))).toMatchObject({ kind: "reserved" });
    const refused = await reserve(ledger, reservationRequest({ limits, ...more }));
    expect(refused).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded", limit } });
    expect(refused.kind === "refused" && refused.problem.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    const other = await reserve(ledger, reservationRequest({ limits, ...more, creator: "someone-else" }));
    expect(other.kind).toBe(JSON.stringify(limits).toLowerCase().includes("creator") ? "reserved" : "refused");
  });

  it("returns as Retry-After when an upload of the limit may stop holding its slot, and frees finished ones", async () => {
    const ledger = newLedger();
    const done = await issueUpload(ledger, { creator: "u", expires: now() + 60 });
    await issueUpload(ledger, { creator: "u", expires: now() + 900 });
    await issueUpload(ledger, { creator: "other", expires: now() + 120 });
    await ledger.record("default", { report: { kind: "ready", uid: done.uid, seconds: 5 }, json: {} });
    const limits = { pendingPerCreator: 2 };
    expect(await reserve(ledger, reservationRequest({ creator: "u", limits }))).toMatchObject({ kind: "reserved" });

    const [issued, lost] = [newLedger(), newLedger()];
    await issueUpload(issued, { creator: "u", expires: now() + 900 });
    await issueUpload(issued, { creator: "other", expires: now() + 120 });
    const retryAfter = async (ledger: LedgerStub, limits: Limits) => {
      const refused = await reserve(ledger, reservationRequest({ creator: "u", limits }));
      return refused.kind === "refused" ? Number(refused.problem.retryAfterSeconds) : 0;
    };
    expect(Math.abs((await retryAfter(issued, { pendingPerCreator: 1 })) - 960)).toBeLessThan(5);
    expect(Math.abs((await retryAfter(issued, { pending: 1 })) - 180)).toBeLessThan(5);
    const unanswered = reservationRequest({ creator: "u" });
    await lost.reserve(unanswered);
    await lost.leaveUnknown(unanswered.id);
    expect(Math.abs((await retryAfter(lost, { pending: 1 })) - 90)).toBeLessThan(5);
  });

  it("returns the rate limit with the fewest remaining creations, also when it refuses", async () => {
    const ledger = newLedger();
    const rateAfter = async (creator: string | undefined, more: Limits = {}) => {
      const limits = { rate: { tenant: 4, creator: 2 }, ...more };
      const outcome = await reserve(ledger, reservationRequest({ limits, ...(creator !== undefined && { creator }) }));
      return outcome.kind === "refused" ? outcome.problem.rate : outcome.kind === "reserved" && outcome.rate;
    };
    expect(await rateAfter("a")).toMatchObject({ allowed: 2, remaining: 1 });
    expect(await rateAfter("a")).toMatchObject({ allowed: 2, remaining: 0 });
    expect(await rateAfter("a")).toMatchObject({ allowed: 2, remaining: 0 });
    expect(await rateAfter(undefined)).toMatchObject({ allowed: 4, remaining: 1 });
    expect(await rateAfter("b", { pending: 3 })).toMatchObject({ allowed: 4, remaining: 1 });
    expect(await rateAfter("b", { rate: {}, pending: 3 })).toBeUndefined();
  });
});

describe("TenantLedger.release", () => {
  const limits = { rate: { tenant: 3, creator: 2 }, quota: { day: { uploads: 1 } } };
  const reserveAndRelease = async (ledger: LedgerStub, creator: string, cause: ReleaseCause) => {
    const one = reservationRequest({ limits, creator });
    const outcome = await reserve(ledger, one);
    await ledger.release(one.id, cause);
    return outcome.kind === "refused" ? outcome.problem.limit?.name : outcome.kind;
  };

  it("counts a rejected creation for the rate limits only", async () => {
    const ledger = newLedger();
    for (const name of ["reserved", "reserved", "rate.creator"])
      expect(await reserveAndRelease(ledger, "a", "refused")).toBe(name);
    for (const name of ["reserved", "rate.tenant"]) expect(await reserveAndRelease(ledger, "b", "refused")).toBe(name);
    expect(await ledger.usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
  });

  it("counts a rejected creation until it is one minute old", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const ledger = newLedger();
    expect(await reserveAndRelease(ledger, "a", "refused")).toBe("reserved");
    vi.setSystemTime(Date.now() + 20_000);
    await ledger.reserve(reservationRequest({ limits: {}, creator: "a" }));
    const refused = await reserve(ledger, reservationRequest({ limits: { rate: { creator: 2 } }, creator: "a" }));
    expect(refused).toMatchObject({ problem: { limit: { name: "rate.creator", used: 2 }, retryAfterSeconds: 40 } });
    vi.setSystemTime(Date.now() + 40_000);
    expect(await reserve(ledger, reservationRequest({ limits: { rate: { creator: 2 } }, creator: "a" }))).toMatchObject(
      {
        kind: "reserved",
      },
    );
    vi.useRealTimers();
  });

  it("loses rejected creations when the object restarts, and keeps the others", async () => {
    const ledger = newLedger();
    expect(await reserveAndRelease(ledger, "a", "refused")).toBe("reserved");
    await ledger.reserve(reservationRequest({ creator: "a" }));
    expect(await reserveAndRelease(ledger, "a", "refused")).toBe("rate.creator");
    await evictDurableObject(ledger);
    expect(await reserveAndRelease(ledger, "a", "unsent")).toBe("quota.day.uploads");
    await ledger.reserve(reservationRequest({ creator: "a" }));
    expect(await reserveAndRelease(ledger, "a", "unsent")).toBe("rate.creator");
  });

  it("does not count a creation that was not sent", async () => {
    const ledger = newLedger();
    for (let index = 0; index < 5; index++) expect(await reserveAndRelease(ledger, "a", "unsent")).toBe("reserved");
  });
});

describe("createLedgers", () => {
  const keyed = (key: string) => ({ idempotency: { key, fingerprint: "f", once: false } });

  it("releases a reservation when its answer is lost", async () => {
    const ledger = newLedger();
    const lossy = {
      getByName: () => ({
        async reserve(lost: ReservationRequest) {
          await ledger.reserve(lost);
          throw new Error("Network connection lost.");
        },
        release: (id: string, cause: ReleaseCause) => ledger.release(id, cause),
      }),
    };
    const refused = await createLedgers(lossy as unknown as Env["LEDGER"]).reserve(
      "any",
      reservationRequest(keyed("k")),
    );
    expect(refused).toMatchObject({ kind: "refused", problem: { code: "ledger_unavailable", retryAfterSeconds: 1 } });
    expect(await ledger.usage()).toMatchObject({ pending: 0 });
    expect(await reserve(ledger, reservationRequest(keyed("k")))).toEqual({ kind: "reserved" });
  });
});

describe("TenantLedger.learn", () => {
  it("makes decisions with an older version stale, also after an eviction", async () => {
    const ledger = newLedger();
    await ledger.learn(5, false);
    await ledger.learn(3, false);
    expect(await reserve(ledger, reservationRequest({ version: 4 }))).toEqual({ kind: "stale" });
    await evictDurableObject(ledger);
    expect(await reserve(ledger, reservationRequest({ version: 4 }))).toEqual({ kind: "stale" });
    const one = reservationRequest({ version: 5 });
    expect(await reserve(ledger, one)).toEqual({ kind: "reserved" });
    expect(await ledger.cancel(one.id, 4)).toBe("stale");
    expect(await ledger.cancel(one.id, 5)).toMatchObject({ state: "cancelled" });
  });
});

describe("TenantLedger", () => {
  it("rejects calls to an object without a name", async () => {
    const nameless = async () => env.LEDGER.get(env.LEDGER.newUniqueId()).usage();
    await expect(nameless()).rejects.toThrow("name");
  });
});
