import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { TENANT_SETTINGS, asOperator, seedTenant } from "../support/worker.ts";
import { ADMITTED, codeOf, codesAfter, isolate, onPlanChanged, operator } from "./isolates.ts";

const WIDE = { policy: {}, limits: {} };
const NARROW = { policy: { upload: { maxBytes: 4 } }, limits: {} };
const REFUSED = "upload_too_large";
const TENANTS = ["acme", "b", "c"];

const versionOf = async (plan: string) =>
  (await env.DB.prepare("SELECT version FROM plans WHERE id = ?").bind(plan).first<number>("version")) ?? 0;

/** Nothing listens at its address. */
const putUpstream = async (id: string) => {
  const { status } = await asOperator("PUT", `/upstreams/${id}?check=false`, {
    accountId: "abc",
    apiToken: "token",
    apiBase: "http://127.0.0.1:9",
  });
  expect(status).toBe(201);
};

describe("createUpload after a change of the tenant's plan", () => {
  let key = "";
  beforeEach(async () => {
    await operator().plans.put("free", WIDE);
    key = await seedTenant("acme", { plan: "free" });
  });

  it("refuses creations of every tenant in every isolate, without a change of tenants or ledgers", async () => {
    const keys = new Map([["acme", key]]);
    for (const id of TENANTS.slice(1)) keys.set(id, await seedTenant(id, { plan: "free" }));
    const isolates = Array.from({ length: 3 }, isolate);
    for (const create of isolates) for (const [id, of] of keys) expect(await codeOf(create(of, id))).toBe(ADMITTED);
    const tenants = () => env.DB.prepare("SELECT * FROM tenants ORDER BY id").all();
    const before = await tenants();

    const onTenantChanged = () => Promise.reject(new Error("A ledger was notified."));
    expect(await operator(Date.now, { onTenantChanged }).plans.put("free", NARROW)).toMatchObject({ ok: true });
    for (const create of isolates) for (const [id, of] of keys) expect(await codeOf(create(of, id))).toBe(REFUSED);
    expect((await tenants()).results).toEqual(before.results);
  });

  it("decides by the new limits and by the new upstream", async () => {
    const [create, other] = [isolate(), isolate()];
    for (const one of [create, other]) expect(await codeOf(one(key))).toBe(ADMITTED);
    await operator().plans.put("free", { policy: {}, limits: { pending: 0 } });
    expect(await codeOf(create(key))).toBe("limit_too_small");
    await putUpstream("eu");
    await operator().plans.put("free", { policy: {}, limits: {}, upstream: "eu" });
    expect(await codeOf(other(key))).toBe(ADMITTED);
    // One call was made there.
    expect(await env.BUDGET.getByName("eu").acquire(1, "other", "background")).toBeGreaterThan(0);
  });

  it("refuses every creation under load from the answer on", async () => {
    const afterAnswer = await codesAfter(() => operator().plans.put("free", NARROW), key);
    expect(afterAnswer.length).toBeGreaterThan(0);
    expect(new Set(afterAnswer)).toEqual(new Set([REFUSED]));
  });

  it("refuses a creation after every object has restarted", async () => {
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator().plans.put("free", NARROW);
    await evictDurableObject(env.BUDGET.getByName("default"));
    expect(await codeOf(create(key))).toBe(REFUSED);
  });

  it("refuses a creation after two changes in the same millisecond", async () => {
    const time = Date.now() + 1;
    const store = operator(() => time);
    await store.plans.put("free", WIDE);
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await store.plans.put("free", NARROW);
    expect(await codeOf(create(key))).toBe(REFUSED);
  });

  it("refuses a creation on an upstream that was registered after the tenant was cached on another", async () => {
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await putUpstream("eu");
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: "free", upstream: "eu" });
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator().plans.put("free", NARROW);
    expect(await codeOf(create(key))).toBe(REFUSED);
  });

  it("refuses a creation after the plan has moved to an upstream that was registered after its change", async () => {
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator().plans.put("free", NARROW);
    await putUpstream("eu");
    await operator().plans.put("free", { ...NARROW, upstream: "eu" });
    expect(await codeOf(create(key))).toBe(REFUSED);
    // Its object knew no plan, and learns from the first creation or change.
    await operator().plans.put("free", { ...WIDE, upstream: "eu" });
    const other = isolate();
    expect(await codeOf(other(key))).toBe(ADMITTED);
    await operator().plans.put("free", { ...NARROW, upstream: "eu" });
    expect(await codeOf(other(key))).toBe(REFUSED);
  });

  it("announces a change that D1 already has, to the upstreams that D1 has then", async () => {
    await putUpstream("eu");
    const announced: unknown[] = [];
    const store = operator(Date.now, {
      onPlanChanged: async (plan, version, upstreams) => {
        announced.push([plan, version === (await versionOf(plan)), upstreams]);
        return version;
      },
    });
    await store.plans.put("free", NARROW);
    expect(announced).toEqual([["free", true, ["default", "eu"]]]);
  });

  it("fails where an object cannot be reached, stops no tenant, and holds after a repeated call", async () => {
    await putUpstream("eu");
    const euKey = await seedTenant("eu", { plan: "free", upstream: "eu" });
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    expect(await codeOf(create(euKey, "eu"))).toBe(ADMITTED);

    // The object of "eu" is not told.
    const store = operator(Date.now, {
      async onPlanChanged(plan, version, upstreams) {
        await onPlanChanged(
          plan,
          version,
          upstreams.filter((id) => id !== "eu"),
        );
        throw new Error("The object is overloaded.");
      },
    });
    await expect(store.plans.put("free", NARROW)).rejects.toThrow("The object is overloaded.");
    expect(await codeOf(create(key))).toBe(REFUSED);
    // Decided by either version, but decided.
    expect(await codeOf(create(euKey, "eu"))).toBe(ADMITTED);
    expect(await codeOf(isolate()(euKey, "eu"))).toBe(REFUSED);

    const cached = isolate();
    await operator().plans.put("free", WIDE);
    expect(await codeOf(cached(euKey, "eu"))).toBe(ADMITTED);
    expect((await operator().plans.put("free", NARROW)).ok).toBe(true);
    for (const one of [create, cached]) {
      expect(await codeOf(one(key))).toBe(REFUSED);
      expect(await codeOf(one(euKey, "eu"))).toBe(REFUSED);
    }
  });

  it("announces a deletion again after a call that failed", async () => {
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: null });
    const failing = operator(Date.now, { onPlanChanged: () => Promise.reject(new Error("overloaded")) });
    await expect(failing.plans.delete("free")).rejects.toThrow("overloaded");
    const told: string[] = [];
    const store = operator(Date.now, {
      onPlanChanged: (plan, version, upstreams) => {
        told.push(plan);
        return onPlanChanged(plan, version, upstreams);
      },
    });
    expect(await store.plans.delete("free")).toEqual({ ok: true, value: false });
    expect(told).toEqual(["free"]);
  });

  it("accepts creations under a plan that was made again before its deletion was announced", async () => {
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: null });
    const isFirst = vi.fn<() => boolean>(() => false).mockReturnValueOnce(true);
    const store = operator(Date.now, {
      async onPlanChanged(plan, version, upstreams) {
        if (isFirst()) await operator(() => version - 1).plans.put("free", WIDE);
        return onPlanChanged(plan, version, upstreams);
      },
    });
    await store.plans.delete("free");
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: "free" });
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator(() => 0).plans.put("free", NARROW);
    expect(await codeOf(create(key))).toBe(REFUSED);
  });

  it("accepts creations under a plan that was deleted and made again, also in the same millisecond", async () => {
    const time = Date.now() + 60_000;
    const store = operator(() => time);
    for (let change = 0; change < 3; change++) await store.plans.put("free", WIDE);
    const before = await versionOf("free");
    await store.tenants.put("acme", { ...TENANT_SETTINGS, plan: null });
    await store.plans.delete("free");
    await store.plans.put("free", WIDE);
    expect(await versionOf("free")).toBeGreaterThan(before);
    await store.tenants.put("acme", { ...TENANT_SETTINGS, plan: "free" });
    expect(await codeOf(isolate()(key))).toBe(ADMITTED);
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      "raises the versions of plans",
      // The statement in docs/operations.md.
      () => env.DB.exec("UPDATE plans SET version = max(version + 1, (unixepoch() + 1) * 1000)"),
    ],
    ["puts the plan again", () => operator().plans.put("free", WIDE)],
  ])("refuses creations after a database restore until the operator %s", async (_, heal) => {
    await operator().plans.put("free", WIDE);
    const newest = await versionOf("free");
    const create = isolate();
    await env.DB.prepare("UPDATE plans SET version = ?")
      .bind(newest - 24 * 60 * 60 * 1000)
      .run();
    expect(await codeOf(create(key))).toBe("tenant_changing");
    await heal();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    expect(await versionOf("free")).toBeGreaterThan(newest);
    await operator().plans.put("free", NARROW);
    expect(await codeOf(create(key))).toBe(REFUSED);
  });

  it("refuses a creation after the tenant has left the plan or moved to another", async () => {
    await operator().plans.put("tiny", NARROW);
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: "tiny" });
    expect(await codeOf(create(key))).toBe(REFUSED);
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: null });
    expect(await codeOf(isolate()(key))).toBe(ADMITTED);
  });
});
