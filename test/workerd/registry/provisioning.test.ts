import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import type { Database } from "../../../src/adapters/d1/database.ts";
import { NegativeLookupLimiter } from "../../../src/adapters/d1/negative-lookup-limiter.ts";
import { createProvisioning } from "../../../src/adapters/d1/provisioning.ts";
import type { Query } from "../../../src/adapters/d1/query.ts";
import type { IssuerSettings } from "../../../src/core/auth/rules/issuer-document.ts";
import type { Provisioner } from "../../../src/core/auth/rules/provisioning.ts";
import type { Tenant } from "../../../src/core/shared/tenant.ts";
import { config, encryption, operator } from "../auth/isolates.ts";
import { TENANT_SETTINGS } from "../support/worker.ts";

const ISS = "https://idp.example/";
const IDP: Provisioner = { issuer: "idp", iss: ISS, plan: "free", isMapped: false };
const SETTINGS: IssuerSettings = {
  issuer: ISS,
  audiences: ["sluice"],
  keys: { secrets: ["a-secret-of-32-bytes-for-the-test"] },
  tenant: { claim: "org" },
  subject: { claim: "sub" },
  scopes: ["uploads:create"],
  maxGrantSeconds: 60,
};

const putIssuer = (id: string, provision: Partial<IssuerSettings["provision"]> = {}) =>
  operator().issuers.put(id, {
    ...SETTINGS,
    provision: { plan: "free", maxTenants: 1_000, maxPerMinute: 60, ...provision },
  });
const provision = (tenant: string, by: Partial<Provisioner> = {}, now = Date.now) =>
  operator(now).provisioning.provision(tenant, { ...IDP, ...by });
const codeOf = async (made: ReturnType<typeof provision>) => {
  const result = await made;
  return result.ok ? "ok" : result.problem.code;
};
const rows = async () => {
  const { results } = await env.DB.prepare("SELECT * FROM tenants ORDER BY id").all();
  return results;
};
const audit = async (tenant?: string) =>
  (await operator().audit({ before: 1e9, limit: 100, tenant })).filter(({ action }) => action === "tenant.provision");
/** How many rows D1 reads to make a tenant, or to find out why it must not. */
async function rowsReadFor(tenant: string): Promise<number> {
  let rows = 0;
  const run = async ([sql, values]: Query) => {
    const result = await env.DB.prepare(sql)
      .bind(...values)
      .run();
    rows += result.meta.rows_read;
    return result;
  };
  const database = {
    now: Date.now,
    add: async ([query]: readonly Query[]) => (query ? (await run(query)).meta.changes : 0),
    first: async (...query: Query) => (await run(query)).results[0] ?? null,
  };
  await createProvisioning(database as unknown as Database).provision(tenant, IDP);
  return rows;
}
const registry = () => createRegistry(env.DB, config, encryption, Date.now);

beforeEach(async () => {
  await operator().plans.put("free", { policy: { upload: { maxBytes: 500 } }, limits: { pending: 3 } });
  await putIssuer("idp");
});

describe("a tenant that a token makes", () => {
  it("is empty, on the plan of the issuer, and in the audit", async () => {
    const now = Date.now();
    expect(await provision("acme", { name: "Acme Inc." }, () => now)).toEqual({ ok: true, value: undefined });
    const provisionedBy = { issuer: "idp", iss: ISS };
    expect(await operator().tenants.get("acme")).toEqual({
      id: "acme",
      name: "Acme Inc.",
      plan: "free",
      policy: {},
      limits: {},
      suspended: false,
      unfinishedUploads: "delete",
      provisionedBy,
      createdAt: new Date(now).toISOString(),
      updatedAt: new Date(now).toISOString(),
    });
    expect(await registry().tenant("acme")).toMatchObject({
      value: { limits: { pending: 3 }, version: now, plan: { id: "free" }, provisionedBy },
    });
    expect(await audit("acme")).toMatchObject([
      { actor: "issuer:idp", target: "acme", details: { name: "Acme Inc.", issuer: "idp", iss: ISS } },
    ]);
  });

  it("is made once by 50 concurrent requests", async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => codeOf(provision("acme"))));
    expect(made).toEqual(made.map(() => "ok"));
    expect(await rows()).toHaveLength(1);
    expect(await audit()).toHaveLength(1);
  });

  it("leaves an existing tenant as it is, whoever made it", async () => {
    await operator().tenants.put("acme", TENANT_SETTINGS);
    const before = await rows();
    expect(await codeOf(provision("acme"))).toBe("ok");
    expect(await rows()).toEqual(before);
    expect(await audit()).toEqual([]);
  });

  it("keeps its issuer when the operator gives it documents of its own", async () => {
    await provision("acme", { name: "Acme" });
    const put = await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: "free", limits: { pending: 9 } });
    expect(put).toMatchObject({ value: { document: { limits: { pending: 9 }, provisionedBy: { issuer: "idp" } } } });
    const off = await operator().tenants.put("acme", { ...TENANT_SETTINGS, plan: null });
    expect(off).toMatchObject({ value: { document: { provisionedBy: { issuer: "idp", iss: ISS } } } });
  });

  it("is not made again after it was deleted, and is its issuer's again once it is restored", async () => {
    await provision("acme");
    await operator().tenants.delete("acme");
    expect(await codeOf(provision("acme"))).toBe("tenant_mismatch");
    expect(await rows()).toEqual([]);
    expect(await registry().prospect("acme", IDP)).toEqual({ ok: true, value: undefined });

    expect(await operator().tenants.put("acme", TENANT_SETTINGS)).toMatchObject({ problem: { code: "conflict" } });
    const restored = await operator().tenants.put("acme", TENANT_SETTINGS, true);
    expect(restored).toMatchObject({
      value: { created: true, document: { provisionedBy: { issuer: "idp", iss: ISS } } },
    });
    expect((await rows())[0]?.["provisioned_at"]).toEqual(expect.any(Number));
  });

  it("is the operator's after it is restored, if the operator had made it", async () => {
    await operator().tenants.put("acme", TENANT_SETTINGS);
    await operator().tenants.delete("acme");
    await operator().tenants.put("acme", TENANT_SETTINGS, true);
    expect(await operator().tenants.get("acme")).not.toHaveProperty("provisionedBy");
  });
});

describe("maxTenants", () => {
  it("counts the tenants of the issuer that exist", async () => {
    await putIssuer("idp", { maxTenants: 2 });
    await putIssuer("other");
    expect(await codeOf(provision("x", { issuer: "other" }))).toBe("ok");
    expect([await codeOf(provision("a")), await codeOf(provision("b"))]).toEqual(["ok", "ok"]);
    const refused = await provision("c");
    expect(refused).toMatchObject({ problem: { code: "provisioning_limit" } });
    expect(refused).not.toHaveProperty("problem.retryAfterSeconds");
    expect(await codeOf(provision("a"))).toBe("ok");
    await operator().tenants.delete("a");
    expect([await codeOf(provision("c")), await codeOf(provision("d"))]).toEqual(["ok", "provisioning_limit"]);
    expect(await audit()).toHaveLength(4);
  });

  it("holds for 50 concurrent requests, also of several directories of one issuer", async () => {
    await putIssuer("idp", { maxTenants: 10, maxPerMinute: 100 });
    const codes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => codeOf(provision(`t${index}`, { iss: `${ISS}${index}` }))),
    );
    expect(codes.filter((code) => code === "ok")).toHaveLength(10);
    expect(codes.filter((code) => code === "provisioning_limit")).toHaveLength(40);
    expect(await rows()).toHaveLength(10);
  });
});

describe("maxPerMinute", () => {
  it("makes exactly 10 of 50 tenants that are asked for at the same time", async () => {
    await putIssuer("idp", { maxPerMinute: 10 });
    const codes = await Promise.all(Array.from({ length: 50 }, (_, index) => codeOf(provision(`t${index}`))));
    expect(codes.filter((code) => code === "ok")).toHaveLength(10);
    expect(codes.filter((code) => code === "provisioning_busy")).toHaveLength(40);
    expect(await rows()).toHaveLength(10);
    expect(await audit()).toHaveLength(10);
  });

  it("says when the next tenant can be made", async () => {
    await putIssuer("idp", { maxPerMinute: 2 });
    const start = Date.now();
    const at = (seconds: number) => () => start + seconds * 1000;
    await provision("a", {}, at(0));
    await provision("b", {}, at(30));
    expect(await provision("c", {}, at(45))).toMatchObject({
      problem: { code: "provisioning_busy", retryAfterSeconds: 15 },
    });
    expect(await codeOf(provision("c", {}, at(60)))).toBe("ok");
    expect(await codeOf(provision("d", {}, at(61)))).toBe("provisioning_busy");
  });

  it("is checked without counting all tenants of the issuer", async () => {
    await putIssuer("idp", { maxPerMinute: 1, maxTenants: 10_000 });
    await env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       INSERT INTO tenants (id, policy, limits, upstream, created_at, updated_at, version, provisioned_by, provisioned_at)
       SELECT printf('t%04d', i), '{}', '{}', '', 1, 1, 1, 'idp', i FROM n`,
    ).run();
    expect([await codeOf(provision("a")), await codeOf(provision("b"))]).toEqual(["ok", "provisioning_busy"]);
    expect(await rowsReadFor("c")).toBeLessThan(50);
  });

  it("counts no tenants that a clock far ahead has made", async () => {
    await putIssuer("idp", { maxPerMinute: 1 });
    const ahead = () => Date.now() + 24 * 60 * 60 * 1000;
    expect([await codeOf(provision("a", {}, ahead)), await codeOf(provision("b", {}, ahead))]).toEqual([
      "ok",
      "provisioning_busy",
    ]);
    expect([await codeOf(provision("b")), await codeOf(provision("c"))]).toEqual(["ok", "provisioning_busy"]);
  });
});

describe("an issuer", () => {
  it("makes tenants on the plan that it has now", async () => {
    await operator().plans.put("pro", { policy: {}, limits: {} });
    await putIssuer("idp", { plan: "pro" });
    await provision("acme");
    expect(await operator().tenants.get("acme")).toMatchObject({ plan: "pro" });
  });

  it.each<[string, () => Promise<unknown>]>([
    ["is deleted", () => operator().issuers.delete("idp")],
    ["makes no tenants any more", () => operator().issuers.put("idp", SETTINGS)],
    ["is revoked", () => env.DB.exec("UPDATE issuers SET scopes = '[]'")],
  ])("makes none after it %s, although its tokens are still in a cache", async (_, change) => {
    await change();
    expect(await codeOf(provision("acme"))).toBe("credential_revoked");
    expect(await rows()).toEqual([]);
  });
});

describe("a prospect", () => {
  it("is what a token would make, and is not stored", async () => {
    const prospect = await registry().prospect("acme", IDP);
    expect(prospect).toMatchObject({
      value: {
        id: "acme",
        isProspect: true,
        limits: { pending: 3 },
        upstream: "default",
        suspended: false,
        version: 0,
      },
    });
    expect(await rows()).toEqual([]);
    await provision("acme");
    const { isProspect: _, version: __, ...rest } = (prospect as { value: Tenant }).value;
    const made = (await registry().tenant("acme")) as { value: Tenant };
    expect(made.value).toMatchObject({ ...rest, policy: [{ upload: rest.policy[0].upload }] });
  });

  it("is the tenant itself if somebody has just made it, although the cache has none", async () => {
    const cached = registry();
    expect(await cached.tenant("acme")).toEqual({ ok: true, value: undefined });
    await operator().tenants.put("acme", TENANT_SETTINGS);
    expect(await cached.tenant("acme")).toEqual({ ok: true, value: undefined });
    const found = await cached.prospect("acme", IDP);
    expect(found).toMatchObject({ value: { id: "acme" } });
    expect(found).not.toHaveProperty("value.isProspect");
  });

  it("is not limited by made-up names", async () => {
    const limiter = new NegativeLookupLimiter(Date.now);
    while (limiter.take());
    const cached = registry();
    await Promise.all(Array.from({ length: 300 }, (_, index) => cached.tenant(`made-up-${index}`)));
    expect(await cached.tenant("acme", "trusted")).toEqual({ ok: true, value: undefined });
    expect(await cached.prospect("acme", IDP)).toMatchObject({ value: { isProspect: true } });
  });

  it("cannot be read on a plan that does not exist", async () => {
    const nobody = { issuer: "nobody", plan: "none" };
    expect(await registry().prospect("acme", nobody)).toMatchObject({ problem: { code: "registry_unavailable" } });
  });
});
