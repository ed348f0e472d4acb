import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const json = async (answer: Promise<Response>) => (await answer).json<Record<string, unknown>>();

const TENANT = {
  name: "Acme",
  policy: { upload: { maxBytes: 5 }, metadata: { name: { maxLength: 9 } } },
  limits: { pending: 3, quota: { month: { bytes: 5e12 } } },
  upstream: "default",
  suspended: true,
  unfinishedUploads: "keep",
};
const UPSTREAM = { accountId: "account", apiToken: "stream-token" };
const ISSUER = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { claim: "org" },
};

describe("tenants of the admin API", () => {
  it("creates, replaces, reads and deletes a tenant", async () => {
    const created = await asOperator("PUT", "/tenants/acme", TENANT);
    expect(created.status).toBe(201);
    expect(created.headers.get("cache-control")).toBe("no-store");
    const document = await created.json<Record<string, unknown>>();
    expect(document["warnings"]).toMatchObject([{ pointer: "/policy/upload/maxBytes", code: "basic_links_refused" }]);
    expect(document).toMatchObject({ id: "acme", ...TENANT });
    expect(document["createdAt"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await json(asOperator("GET", "/tenants/acme"))).toEqual(document);

    const replaced = await asOperator("PUT", "/tenants/acme", { policy: {}, limits: {} });
    expect(replaced.status).toBe(200);
    const bare = { policy: {}, limits: {}, upstream: "default", suspended: false };
    expect(await replaced.json()).toMatchObject({ id: "acme", ...bare, createdAt: document["createdAt"] });
    expect(await json(asOperator("GET", "/tenants/acme"))).not.toHaveProperty("name");

    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(204);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(404);
  });

  it("deletes the keys and the issuers of a deleted tenant, and no others", async () => {
    await seedTenant("acme");
    await seedTenant("other");
    await asOperator("PUT", "/issuers/of-acme", { ...ISSUER, tenant: { fixed: "acme" } });
    await asOperator("PUT", "/issuers/of-other", { ...ISSUER, tenant: { fixed: "other" } });
    await asOperator("PUT", "/issuers/of-all", ISSUER);
    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(204);
    const rows = async (sql: string) => (await env.DB.prepare(sql).all()).results;
    expect(await rows("SELECT tenant FROM api_keys")).toEqual([{ tenant: "other" }]);
    expect(await rows("SELECT id FROM issuers ORDER BY id")).toEqual([{ id: "of-all" }, { id: "of-other" }]);
  });

  it.each(["policy", "limits"])(
    "requires %s of a tenant that has one, and changes nothing without it",
    async (member) => {
      const { [member]: _, ...without } = TENANT as Record<string, unknown>;
      const before = await json(asOperator("PUT", "/tenants/acme", TENANT));
      const audit = await json(asOperator("GET", "/audit"));
      for (const body of [without, { suspended: false, name: "Wiped" }, {}]) {
        const refused = await asOperator("PUT", "/tenants/acme", body);
        expect(refused.status).toBe(400);
        expect(await refused.json()).toMatchObject({
          code: "body_invalid",
          key: member in body ? "limits" : expect.stringMatching(/^(policy|limits)$/),
          detail: expect.stringContaining("is required"),
        });
      }
      const refused = await asOperator("PUT", "/tenants/acme", without);
      expect(await refused.json()).toMatchObject({ key: member });
      expect(await json(asOperator("GET", "/tenants/acme"))).toEqual(before);
      expect(await json(asOperator("GET", "/audit"))).toEqual(audit);

      expect((await asOperator("PUT", "/tenants/acme", { ...without, [member]: {} })).status).toBe(200);
      expect((await asOperator("PUT", "/tenants/acme", without)).status).toBe(200);
    },
  );

  it("lets a new tenant, and one without policy and limits, leave both out", async () => {
    expect((await asOperator("PUT", "/tenants/acme", { name: "Acme" })).status).toBe(201);
    expect((await asOperator("PUT", "/tenants/acme", { suspended: true })).status).toBe(200);
    expect(await json(asOperator("GET", "/tenants/acme"))).toMatchObject({ policy: {}, limits: {}, suspended: true });
  });

  it("requires the policy that another operator sets at the same time", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const { policy, limits } = TENANT;
    const changes = [{ policy, limits }, ...Array.from({ length: 5 }, () => ({ suspended: true }))];
    await Promise.all(changes.map((change) => asOperator("PUT", "/tenants/acme", change)));
    expect(await json(asOperator("GET", "/tenants/acme"))).toMatchObject({ policy, limits });
  });

  it("reads the policy that version 0.1 stored, leaves it as it is, and warns of what is refused today", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM);
    const key = await seedTenant("acme", { upstream: "eu" });
    const old = { metadata: { requiresignedurl: { force: "true" }, expiry: { max: "P1D" }, "*": { allow: ["tag"] } } };
    await env.DB.prepare("UPDATE tenants SET policy = ?").bind(JSON.stringify(old)).run();
    const stored = await json(asOperator("GET", "/tenants/acme"));
    expect(stored).toMatchObject({
      policy: old,
      warnings: [
        { pointer: "/policy/metadata/requiresignedurl", code: "unknown_metadata_key", nearest: "requiresignedurls" },
        { pointer: "/policy/metadata/expiry/max", code: "setting_without_effect", found: "P1D" },
        { pointer: "/policy/metadata/*", code: "unknown_metadata_key" },
      ],
    });
    const check = await request("POST", "/v1/acme/policy/check", {
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ length: 1, metadata: { requiresignedurl: "x", tag: "t", other: "o" } }),
    });
    expect(await check.json()).toMatchObject({
      allowed: true,
      metadata: { requiresignedurl: "true", tag: "t" },
    });
    const again = await asOperator("PUT", "/tenants/acme", { policy: old, upstream: "eu" });
    expect(again.status).toBe(400);
    expect(await again.json()).toMatchObject({
      code: "body_invalid",
      key: "policy.metadata.requiresignedurl",
      detail: expect.stringMatching(/requiresignedurls.*expiry\.max.*metadata\.\*/s),
    });
    expect(await json(asOperator("GET", "/tenants/acme"))).toEqual(stored);
  });

  it("requires an existing upstream, and returns 409 when that is deleted", async () => {
    const refused = await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ code: "body_invalid", key: "upstream" });
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);

    await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM);
    expect((await asOperator("PUT", "/tenants/acme", { upstream: "eu" })).status).toBe(201);
    const inUse = await asOperator("DELETE", "/upstreams/eu");
    expect([inUse.status, await codeOf(inUse)]).toEqual([409, "conflict"]);
    await asOperator("DELETE", "/tenants/acme");
    expect((await asOperator("DELETE", "/upstreams/eu")).status).toBe(204);
  });

  it("suspends a tenant immediately in the isolate that receives the call", async () => {
    const key = await seedTenant("acme");
    const policy = () => request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect((await policy()).status).toBe(200);
    await asOperator("PUT", "/tenants/acme", { suspended: true });
    expect(await codeOf(policy())).toBe("tenant_suspended");
  });

  it("returns 409 when the id of a deleted tenant is used again without ?restore=true", async () => {
    await seedTenant("acme");
    await asOperator("DELETE", "/tenants/acme");
    const another = await asOperator("PUT", "/tenants/acme", { name: "Another Acme" });
    expect([another.status, await codeOf(another)]).toEqual([409, "conflict"]);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
    for (const value of ["", "yes"])
      expect(await codeOf(asOperator("PUT", `/tenants/acme?restore=${value}`, {}))).toBe("bad_request");
    expect((await asOperator("PUT", "/tenants/acme?restore=true", {})).status).toBe(201);
    expect((await asOperator("PUT", "/tenants/acme", { suspended: true })).status).toBe(200);
    const noUpstream = await asOperator("PUT", "/tenants/acme", { upstream: "nowhere" });
    expect(await codeOf(noUpstream)).toBe("body_invalid");
  });

  it("does not restore the keys of a restored tenant", async () => {
    const key = await seedTenant("acme");
    await asOperator("DELETE", "/tenants/acme");
    await asOperator("PUT", "/tenants/acme?restore=true", {});
    const answer = await request("GET", "/v1/acme/policy", { headers: { authorization: `Bearer ${key}` } });
    expect(await codeOf(answer)).toBe("credential_invalid");
  });

  it.each([
    ["a string", "none", "policy"],
    ["an unknown section", { uploads: {} }, "policy.uploads"],
    ["a misspelled metadata verb", { metadata: { name: { maxLenght: 5 } } }, "policy.metadata.name.maxLenght"],
    ["a key in mixed case", { metadata: { maxDurationSeconds: {} } }, "policy.metadata.maxDurationSeconds"],
    ["a reserved key", { metadata: { sluice: {} } }, "policy.metadata.sluice"],
    [
      "a default above its own maximum",
      { metadata: { maxdurationseconds: { default: 9, max: 5 } } },
      "policy.metadata.maxdurationseconds.default",
    ],
    [
      "a force above Stream's maximum",
      { metadata: { maxdurationseconds: { force: 36_001 } } },
      "policy.metadata.maxdurationseconds.force",
    ],
    ["force together with required", { metadata: { name: { force: "a", required: true } } }, "policy.metadata.name"],
    ["an invalid duration", { metadata: { expiry: { max: "6 hours" } } }, "policy.metadata.expiry.max"],
    ["a pattern that backtracks", { metadata: { name: { pattern: "(a+)+$" } } }, "policy.metadata.name.pattern"],
    ["an invalid pattern", { metadata: { name: { pattern: "[" } } }, "policy.metadata.name.pattern"],
    ["an origin with a path", { origins: ["https://a.example/"] }, "policy.origins.0"],
  ])("rejects a policy with %s", async (_, policy, key) => {
    const answer = await asOperator("PUT", "/tenants/acme", { policy });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "body_invalid", key });
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
  });

  it.each(["A", "-a", "a_b", "%00", "..%2f", "a%20b", "ä"])("rejects the id %s", async (id) => {
    for (const method of ["GET", "DELETE"]) {
      const answer = await asOperator(method, `/tenants/${id}`);
      expect([400, 404]).toContain(answer.status);
    }
    expect([400, 404]).toContain((await asOperator("PUT", `/tenants/${id}`, {})).status);
  });
});
