import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { unmeetableLimit } from "../../../src/core/quota/rules/unmeetable-limit.ts";
import type { Tenant } from "../../../src/core/shared/tenant.ts";
import { requestOf } from "../../support/policy-fixtures.ts";
import { asOperator, seedTenant } from "../support/worker.ts";

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);

/** A registry, and the statements that it prepares. */
function countingRegistry() {
  const statements: string[] = [];
  const db = {
    withSession: (...constraint: Parameters<D1Database["withSession"]>) => {
      const session = env.DB.withSession(...constraint);
      return { prepare: (sql: string) => (statements.push(sql), session.prepare(sql)) };
    },
  };
  return { statements, registry: createRegistry(db as unknown as D1Database, config, encryption, Date.now) };
}

async function read(id: string, { registry } = countingRegistry()): Promise<Tenant> {
  const tenant = await registry.tenant(id);
  if (!tenant.ok || !tenant.value) throw new Error("The tenant cannot be read.");
  return tenant.value;
}

const rowOf = (id: string) =>
  env.DB.prepare("SELECT policy, limits, upstream, plan, document FROM tenants WHERE id = ?")
    .bind(id)
    .first<Record<string, string | null>>();

const PLAN = {
  policy: { upload: { maxBytes: 500 }, metadata: { name: { maxLength: 9 } } },
  limits: { pending: 3, storedSeconds: 600 },
  upstream: "eu",
};
const OWN = { policy: { upload: { maxBytes: 700 } }, limits: { pending: 5, storedSeconds: null } };

beforeEach(async () => {
  await asOperator("PUT", "/upstreams/eu?check=false", { accountId: "a", apiToken: "stream-token" });
  await asOperator("PUT", "/plans/free", PLAN);
});

describe("the registry, of tenants on a plan", () => {
  it("combines plan and tenant in one query, as for a tenant without a plan", async () => {
    await seedTenant("acme", { plan: "free", ...OWN });
    await seedTenant("plain");
    const counting = countingRegistry();
    const tenant = await read("acme", counting);
    expect(counting.statements).toHaveLength(1);
    await read("plain", counting);
    expect(counting.statements).toHaveLength(2);
    expect(tenant).toMatchObject({
      limits: { pending: 5 },
      upstream: "eu",
      plan: { id: "free", version: expect.any(Number) as number },
      policy: [{ upload: { maxBytes: 700 } }],
    });
    expect(tenant.limits).not.toHaveProperty("storedSeconds");
    expect(tenant.policy[0].rules.get("name")?.path).toBe("plan.metadata.name");
    expect(await read("plain")).not.toHaveProperty("plan");
  });

  it("parses the policy of a plan once for all of its tenants", async () => {
    for (const id of ["a", "b"]) await seedTenant(id, { plan: "free" });
    const counting = countingRegistry();
    const [a, b] = [await read("a", counting), await read("b", counting)];
    expect(a.policy[0].rules.get("name")).toBe(b.policy[0].rules.get("name"));
  });

  it("takes the tenant's own upstream, else the plan's, else the default", async () => {
    await seedTenant("own", { plan: "free", upstream: "default" });
    await seedTenant("inherited", { plan: "free" });
    expect([(await read("own")).upstream, (await read("inherited")).upstream]).toEqual(["default", "eu"]);
    await asOperator("PUT", "/plans/free", { policy: {}, limits: {} });
    expect((await read("inherited")).upstream).toBe("default");
  });

  it("cannot read a tenant whose plan is gone", async () => {
    await seedTenant("acme", { plan: "free" });
    await env.DB.exec("DELETE FROM plans");
    expect(await countingRegistry().registry.tenant("acme")).toMatchObject({
      problem: { code: "registry_unavailable" },
    });
  });
});

describe("a tenant on a plan, to the version before", () => {
  /** As that version reads and writes the row. */
  const putByVersionBefore = (policy: object, limits: object, upstream: string) =>
    env.DB.prepare(
      `INSERT INTO tenants (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version)
       SELECT ?1, ?2, coalesce(?3, '{}'), coalesce(?4, '{}'), ?5, ?6, ?7, ?8, ?8, ?8
         WHERE (?5 = 'default' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5))
           AND (?9 OR EXISTS (SELECT 1 FROM tenants WHERE id = ?1))
       ON CONFLICT (id) DO UPDATE SET name = ?2, policy = excluded.policy, limits = excluded.limits, upstream = ?5,
         suspended = ?6, abandoned = ?7, updated_at = ?8, version = max(version + 1, ?8)
         WHERE (?3 NOTNULL OR policy = '{}') AND (?4 NOTNULL OR limits = '{}')`,
    )
      .bind("acme", null, JSON.stringify(policy), JSON.stringify(limits), upstream, 0, "delete", Date.now(), 0)
      .run();

  it("refuses creations, and has no upstream where it is the plan's", async () => {
    await seedTenant("acme", { plan: "free", ...OWN });
    const row = await rowOf("acme");
    expect(row).toMatchObject({ policy: "{}", upstream: "" });
    const refused = unmeetableLimit(
      JSON.parse(row?.["limits"] ?? "") as object,
      { bytes: 1, seconds: 1, creator: undefined },
      "tus",
    );
    expect(refused?.code).toBe("limit_too_small");
    await seedTenant("acme", { plan: "free", ...OWN, upstream: "eu" });
    expect(await rowOf("acme")).toMatchObject({ policy: "{}", upstream: "eu" });
  });

  it.each<[what: string, limits: object, upstream: string]>([
    ["other limits", { pending: 9 }, "default"],
    ["the very limits that refuse its creations", { pending: 0 }, "default"],
    ["limits that are empty", {}, "eu"],
  ])("leaves the plan when that version writes %s", async (_, limits, upstream) => {
    await seedTenant("acme", { plan: "free", ...OWN });
    const { version } = await read("acme");
    await putByVersionBefore({ upload: { maxBytes: 7 } }, limits, upstream);
    expect(await rowOf("acme")).toMatchObject({ plan: null, document: null });
    const tenant = await read("acme");
    expect(tenant).toMatchObject({ limits, upstream, policy: [{ upload: { maxBytes: 7 } }] });
    expect(tenant).not.toHaveProperty("plan");
    expect(tenant.version).toBeGreaterThan(version);
  });

  it("keeps the plan when that version changes its keys", async () => {
    await seedTenant("acme", { plan: "free", ...OWN });
    await env.DB.exec("UPDATE tenants SET version = version + 1 WHERE id = 'acme'");
    expect(await read("acme")).toMatchObject({ plan: { id: "free" }, limits: { pending: 5 } });
  });
});

describe("a tenant without a plan", () => {
  it("is stored as by the version before", async () => {
    await seedTenant("acme", { policy: { origins: [] }, limits: { pending: 1 } });
    expect(await rowOf("acme")).toEqual({
      policy: '{"origins":[]}',
      limits: '{"pending":1}',
      upstream: "default",
      plan: null,
      document: null,
    });
    const tenant = await read("acme");
    expect(applyPolicy(tenant.policy, requestOf({}, { origin: "https://a.example" })).explanations[0]).toMatchObject({
      rule: "policy.origins",
    });
  });
});
