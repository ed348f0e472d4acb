import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createLedgers } from "../../../src/adapters/durable-objects/ledger-client.ts";
import type { Limits } from "../../../src/core/quota/rules/limits.ts";
import type { ReleaseCause, ReservationRequest } from "../../../src/core/quota/rules/reservation.ts";
import { agrees, reserve } from "../support/worker.ts";

const now = () => Math.floor(Date.now() / 1000);
let made = 0;
const request = (more: Partial<ReservationRequest> = {}): ReservationRequest => ({
  id: `upload-${++made}`,
  version: 1,
  limits: {},
  upstream: "default",
  bytes: 100,
  seconds: 60,
  expires: now() + 1_800,
  ...more,
});
const keyed = (key: string, fingerprint = "f", once = false) => ({ idempotency: { key, fingerprint, once } });
const ledger = () => env.LEDGER.getByName(`tenant-${++made}`);
const UID = "0123456789abcdef0123456789abcdef";
const LOCATION = "https://upload.example/1";

describe("a reservation", () => {
  it("counts until it is released, and leaves nothing behind", async () => {
    const tenant = ledger();
    const one = request();
    expect(await reserve(tenant, one)).toEqual({ kind: "reserved" });
    expect(await tenant.usage()).toMatchObject({
      pending: 1,
      storedSeconds: 60,
      day: { uploads: 1, bytes: 100, seconds: 60 },
      month: { uploads: 1, bytes: 100, seconds: 60 },
    });
    await tenant.release(one.id, "refused");
    expect(await tenant.usage()).toMatchObject({
      pending: 0,
      storedSeconds: 0,
      day: { uploads: 0, bytes: 0, seconds: 0 },
    });
    expect(await tenant.attach(one.id, UID, LOCATION)).toBe(false);
  });

  it("is attached once, and released no more", async () => {
    const tenant = ledger();
    const one = request();
    await tenant.reserve(one);
    expect(await tenant.attach(one.id, UID, LOCATION)).toBe(true);
    await tenant.release(one.id, "refused");
    await tenant.leaveUnknown(one.id);
    expect(await tenant.usage()).toMatchObject({ pending: 1 });
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
  ])("beyond the limit of %s is refused, with how it stands", async (_, limits, more, limit) => {
    const tenant = ledger();
    for (let index = 0; index < 2; index++)
      expect(await reserve(tenant, request({ limits, ...more }))).toMatchObject({ kind: "reserved" });
    const refused = await reserve(tenant, request({ limits, ...more }));
    expect(refused).toMatchObject({ kind: "refused", problem: { code: "limit_exceeded", limit } });
    expect(refused.kind === "refused" && refused.problem.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    const other = await reserve(tenant, request({ limits, ...more, creator: "someone-else" }));
    expect(other.kind).toBe(JSON.stringify(limits).toLowerCase().includes("creator") ? "reserved" : "refused");
  });

  it("beyond the limit of pending makes sense again when the first URL dies, and one that is finished makes room", async () => {
    const tenant = ledger();
    const [done, first] = [
      request({ creator: "u", expires: now() + 60 }),
      request({ creator: "u", expires: now() + 900 }),
    ];
    for (const one of [done, first]) await tenant.reserve(one);
    await tenant.attach(done.id, UID, LOCATION);
    await tenant.record("default", { report: { kind: "ready", uid: UID, seconds: 5 }, json: {} });
    const limits = { pendingPerCreator: 2 };
    expect(await reserve(tenant, request({ creator: "u", limits }))).toMatchObject({ kind: "reserved" });
    const refused = await reserve(tenant, request({ creator: "u", limits }));
    const seconds = refused.kind === "refused" ? refused.problem.retryAfterSeconds : undefined;
    expect(seconds).toBeGreaterThan(880);
    expect(seconds).toBeLessThanOrEqual(900);
  });

  it("says how the limit of a minute stands that leaves the least, also where it is refused", async () => {
    const tenant = ledger();
    const standing = async (creator: string | undefined, more: Limits = {}) => {
      const limits = { rate: { tenant: 4, creator: 2 }, ...more };
      const outcome = await reserve(tenant, request({ limits, ...(creator !== undefined && { creator }) }));
      return outcome.kind === "refused" ? outcome.problem.rate : outcome.kind === "reserved" && outcome.rate;
    };
    expect(await standing("a")).toMatchObject({ allowed: 2, remaining: 1 });
    expect(await standing("a")).toMatchObject({ allowed: 2, remaining: 0 });
    expect(await standing("a")).toMatchObject({ allowed: 2, remaining: 0 });
    expect(await standing(undefined)).toMatchObject({ allowed: 4, remaining: 1 });
    expect(await standing("b", { pending: 3 })).toMatchObject({ allowed: 4, remaining: 1 });
    expect(await standing("b", { rate: {}, pending: 3 })).toBeUndefined();
  });
});

describe("a creation that Stream refused", () => {
  const limits = { rate: { tenant: 3, creator: 2 }, quota: { day: { uploads: 1 } } };
  const tried = async (tenant: ReturnType<typeof ledger>, creator: string, cause: ReleaseCause) => {
    const one = request({ limits, creator });
    const outcome = await reserve(tenant, one);
    await tenant.release(one.id, cause);
    return outcome.kind === "refused" ? outcome.problem.limit?.name : outcome.kind;
  };

  it("counts for the limits of a minute, and for no others", async () => {
    const tenant = ledger();
    for (const name of ["reserved", "reserved", "rate.creator"]) expect(await tried(tenant, "a", "refused")).toBe(name);
    for (const name of ["reserved", "rate.tenant"]) expect(await tried(tenant, "b", "refused")).toBe(name);
    expect(await tenant.usage()).toMatchObject({ pending: 0, day: { uploads: 0 } });
  });

  it("counts together with those that were made, the oldest first to make room", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const tenant = ledger();
    expect(await tried(tenant, "a", "refused")).toBe("reserved");
    vi.setSystemTime(Date.now() + 20_000);
    await tenant.reserve(request({ limits: {}, creator: "a" }));
    const refused = await reserve(tenant, request({ limits: { rate: { creator: 2 } }, creator: "a" }));
    expect(refused).toMatchObject({ problem: { limit: { name: "rate.creator", used: 2 }, retryAfterSeconds: 40 } });
    vi.setSystemTime(Date.now() + 40_000);
    expect(await reserve(tenant, request({ limits: { rate: { creator: 2 } }, creator: "a" }))).toMatchObject({
      kind: "reserved",
    });
    vi.useRealTimers();
  });

  it("is forgotten by an object that starts anew; those that were made are not", async () => {
    const tenant = ledger();
    expect(await tried(tenant, "a", "refused")).toBe("reserved");
    await tenant.reserve(request({ creator: "a" }));
    expect(await tried(tenant, "a", "refused")).toBe("rate.creator");
    await evictDurableObject(tenant);
    expect(await tried(tenant, "a", "unsent")).toBe("quota.day.uploads");
    await tenant.reserve(request({ creator: "a" }));
    expect(await tried(tenant, "a", "unsent")).toBe("rate.creator");
  });

  it("is none where Stream was not asked", async () => {
    const tenant = ledger();
    for (let index = 0; index < 5; index++) expect(await tried(tenant, "a", "unsent")).toBe("reserved");
  });
});

describe("a reservation whose answer is lost", () => {
  it("is given back, so that the same creation may come again", async () => {
    const tenant = ledger();
    const lossy = {
      getByName: () => ({
        async reserve(lost: ReservationRequest) {
          await tenant.reserve(lost);
          throw new Error("Network connection lost.");
        },
        release: (id: string, cause: ReleaseCause) => tenant.release(id, cause),
      }),
    };
    const refused = await createLedgers(lossy as unknown as Env["LEDGER"]).reserve("any", request(keyed("k")));
    expect(refused).toMatchObject({ kind: "refused", problem: { code: "ledger_unavailable", retryAfterSeconds: 1 } });
    expect(await tenant.usage()).toMatchObject({ pending: 0 });
    expect(await reserve(tenant, request(keyed("k")))).toEqual({ kind: "reserved" });
  });
});

describe("an idempotency key", () => {
  it("is in progress, then replayed, and means one creation only", async () => {
    const tenant = ledger();
    const one = request(keyed("k"));
    await tenant.reserve(one);
    expect(await reserve(tenant, request(keyed("k")))).toMatchObject({ problem: { code: "creation_in_progress" } });
    await tenant.attach(one.id, UID, LOCATION);
    expect(await reserve(tenant, request(keyed("k")))).toEqual({
      kind: "replayed",
      id: one.id,
      uid: UID,
      location: LOCATION,
      expires: one.expires,
    });
    expect(await reserve(tenant, request(keyed("k", "other")))).toMatchObject({
      problem: { code: "idempotency_key_reused" },
    });
    expect(await tenant.usage()).toMatchObject({ pending: 1 });
  });

  it("is free again when the creation failed", async () => {
    const tenant = ledger();
    const one = request(keyed("k"));
    await tenant.reserve(one);
    await tenant.release(one.id, "refused");
    expect(await reserve(tenant, request(keyed("k", "other")))).toEqual({ kind: "reserved" });
  });

  it.each([
    ["of a client", false, "idempotency_key_reused"],
    ["of a grant", true, "grant_used"],
  ])("%s has one upload that is live or finished, and another only where nothing came of it", async (_, once, code) => {
    const tenant = ledger();
    const same = (more = {}) => request({ ...keyed("k", "f", once), ...more });
    const dying = same({ expires: now() + 5 });
    await tenant.reserve(dying);
    await tenant.attach(dying.id, UID, LOCATION);
    expect(await reserve(tenant, same())).toMatchObject({ problem: { code: "creation_in_progress" } });
    await tenant.cancel(dying.id, Infinity);
    const next = same();
    expect(await reserve(tenant, next)).toEqual({ kind: "reserved" });
    const report = { kind: "ready", uid: "1".repeat(32), seconds: 7 } as const;
    await tenant.record("default", { report, json: {}, tag: { tenant: "any", uploadId: next.id } });
    expect(await reserve(tenant, same())).toMatchObject({ problem: { code } });
    expect(await tenant.usage()).toMatchObject({ pending: 0, videos: 1, day: { uploads: 2 } });
  });

  it("whose outcome is unknown stays in progress", async () => {
    const tenant = ledger();
    const lost = request(keyed("k"));
    await tenant.reserve(lost);
    await tenant.leaveUnknown(lost.id);
    const again = await reserve(tenant, request(keyed("k")));
    expect(again).toMatchObject({ problem: { code: "creation_in_progress" } });
    expect(again.kind === "refused" && again.problem.retryAfterSeconds).toBeGreaterThan(1_800);
  });

  it("admits one of ten that arrive at once", async () => {
    const tenant = ledger();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => reserve(tenant, request(keyed("k")))));
    expect(outcomes.filter(({ kind }) => kind === "reserved")).toHaveLength(1);
  });
});

describe("the version of the tenant", () => {
  it("makes what was decided by an older one stale, also after an eviction", async () => {
    const tenant = ledger();
    await tenant.learn(5, false);
    await tenant.learn(3, false);
    expect(await reserve(tenant, request({ version: 4 }))).toEqual({ kind: "stale" });
    await evictDurableObject(tenant);
    expect(await reserve(tenant, request({ version: 4 }))).toEqual({ kind: "stale" });
    const one = request({ version: 5 });
    expect(await reserve(tenant, one)).toEqual({ kind: "reserved" });
    expect(await tenant.cancel(one.id, 4)).toBe("stale");
    expect(await tenant.cancel(one.id, 5)).toMatchObject({ state: "cancelled" });
  });
});

describe("the object", () => {
  afterEach(() => void vi.useRealTimers());

  it("has the same rows and counters after an eviction, and the counters are the sum of the rows", async () => {
    const tenant = ledger();
    const ids = Array.from({ length: 5 }, () => request({ creator: "u" }));
    for (const one of ids) await tenant.reserve(one);
    await tenant.attach(ids[0]?.id ?? "", UID, LOCATION);
    await tenant.release(ids[1]?.id ?? "", "refused");
    const before = await tenant.usage();
    await evictDurableObject(tenant);
    expect(await tenant.usage()).toEqual(before);
    await agrees(tenant);
  });

  it("counts new uploads when it starts, and writes down what it has counted after so many", async () => {
    const tenant = ledger();
    const countedTo = () =>
      runInDurableObject(tenant, (_, { storage }) => storage.sql.exec("SELECT counted FROM ledger").toArray()[0]);
    for (let index = 0; index < 64; index++) await tenant.reserve(request());
    expect(await countedTo()).toBeUndefined();
    await agrees(tenant);
    await tenant.reserve(request());
    await tenant.reserve(request());
    expect(await countedTo()).toEqual({ counted: 64 });
    await agrees(tenant);
    await evictDurableObject(tenant);
    for (let index = 0; index < 62; index++) await tenant.reserve(request());
    expect(await countedTo()).toEqual({ counted: 64 });
    await tenant.reserve(request());
    expect(await countedTo()).toEqual({ counted: 128 });
    await agrees(tenant);
  });

  it("counts an upload that takes the number of one that was released", async () => {
    const tenant = ledger();
    const one = request();
    await tenant.reserve(request());
    await tenant.reserve(one);
    await tenant.release(one.id, "refused");
    await tenant.reserve(request({ bytes: 200 }));
    await agrees(tenant);
    await tenant.learn(1, false);
    await tenant.reserve(request({ bytes: 300 }));
    await agrees(tenant);
    expect(await tenant.usage()).toMatchObject({ pending: 3, day: { bytes: 600 } });
  });

  it("counts an upload of yesterday for its month only, though it was not counted before the object started", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 6, 9, 12) });
    const tenant = ledger();
    await tenant.reserve(request());
    vi.setSystemTime(Date.UTC(2026, 6, 10, 1));
    await tenant.reserve(request());
    await agrees(tenant);
    await evictDurableObject(tenant);
    await agrees(tenant);
    expect(await tenant.usage()).toMatchObject({ pending: 2, day: { uploads: 1 }, month: { uploads: 2 } });
  });

  it("knows what it has counted after a reservation that failed", async () => {
    const tenant = ledger();
    const one = request();
    await tenant.reserve(one);
    await runInDurableObject(tenant, (object) => expect(() => object.reserve(one)).toThrow(/UNIQUE/));
    await agrees(tenant);
  });

  it("wakes up when the first upload URL should be dead", async () => {
    const tenant = ledger();
    const expires = now() + 1_800;
    await tenant.reserve(request({ expires: expires + 600 }));
    await tenant.reserve(request({ expires }));
    await tenant.reserve(request({ expires: expires + 900 }));
    const alarm = await runInDurableObject(tenant, (_, state) => state.storage.getAlarm());
    expect(alarm).toBe((expires + 60) * 1000);
  });

  describe("whose alarm was lost", () => {
    const alarmOf = (tenant: ReturnType<typeof ledger>) =>
      runInDurableObject(tenant, (_, { storage }) => storage.getAlarm());
    const loseAlarm = async (tenant: ReturnType<typeof ledger>) => {
      await runInDurableObject(tenant, (_, { storage }) => storage.deleteAlarm());
      await evictDurableObject(tenant);
    };
    /** As the object begins anew when so much time has passed. */
    const restartAfter = async (tenant: ReturnType<typeof ledger>, seconds: number) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1_000 });
      await evictDurableObject(tenant);
      return alarmOf(tenant);
    };

    it("wakes up when the next upload is due, once it has begun anew", async () => {
      const tenant = ledger();
      const one = request();
      await tenant.reserve(one);
      await loseAlarm(tenant);
      expect(await alarmOf(tenant)).toBe((one.expires + 60) * 1_000);
    });

    it("wakes up soon where something has been due for long, though an alarm seems to be set", async () => {
      const tenant = ledger();
      await tenant.reserve(request());
      expect(await restartAfter(tenant, 7_200)).toBe((now() + 60) * 1_000);
    });

    it("wakes up soon where events have not been handed over", async () => {
      const tenant = ledger();
      await tenant.learn(1, true);
      await env.DB.exec("ALTER TABLE endpoints RENAME TO elsewhere");
      const one = request();
      await tenant.reserve(one);
      await tenant.attach(one.id, UID, LOCATION);
      await loseAlarm(tenant);
      expect(await alarmOf(tenant)).toBeLessThanOrEqual(Date.now() + 60_000);
      await env.DB.exec("ALTER TABLE elsewhere RENAME TO endpoints");
    });

    it("is told from one whose alarm is a little late", async () => {
      const tenant = ledger();
      const one = request();
      await tenant.reserve(one);
      expect(await restartAfter(tenant, 1_800 + 60 + 120)).toBe((one.expires + 60) * 1_000);
    });

    it("is told from one whose alarm is running, which is not one that is set", async () => {
      const tenant = ledger();
      await tenant.reserve(request());
      await runInDurableObject(tenant, (_, { storage }) => storage.deleteAlarm());
      expect(await restartAfter(tenant, 1_800 + 60 + 120)).toBeNull();
    });

    it("needs none where nothing is due", async () => {
      const tenant = ledger();
      await loseAlarm(tenant);
      expect(await alarmOf(tenant)).toBeNull();
    });
  });

  it("leaves what fails alone for a minute", async () => {
    const tenant = ledger();
    await tenant.reserve(request({ expires: now() - 100 }));
    await runInDurableObject(tenant, (_, { storage }) =>
      storage.sql.exec("CREATE TRIGGER full BEFORE UPDATE ON uploads BEGIN SELECT RAISE(ABORT, 'full'); END").toArray(),
    );
    await runDurableObjectAlarm(tenant);
    const alarm = await runInDurableObject(tenant, (_, { storage }) => storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now() + 55_000);
    expect(alarm).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  it("asks again later where Stream cannot be asked", async () => {
    const tenant = ledger();
    const one = request({ expires: now() - 100 });
    await tenant.reserve(one);
    expect(await runDurableObjectAlarm(tenant)).toBe(true);
    expect(await tenant.usage()).toMatchObject({ pending: 1 });
    const alarm = await runInDurableObject(tenant, (_, state) => state.storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now());
  });
});
