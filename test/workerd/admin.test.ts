import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, request, seedTenant } from "./support.ts";

const POLICY = { metadata: { maxdurationseconds: { max: 60 } } };

describe("tenants", () => {
  it("are created, replaced, read, listed and deleted", async () => {
    const created = await asOperator("PUT", "/tenants/acme", { name: "Acme", policy: POLICY, limits: { pending: 5 } });
    expect(created.status).toBe(201);
    const document = {
      id: "acme",
      name: "Acme",
      policy: POLICY,
      limits: { pending: 5 },
      upstream: "default",
      suspended: false,
      abandoned: "delete",
    };
    expect(await created.json()).toMatchObject(document);
    expect(await (await asOperator("GET", "/tenants/acme")).json()).toMatchObject(document);

    const replaced = await asOperator("PUT", "/tenants/acme", { suspended: true });
    expect(replaced.status).toBe(200);
    expect(await replaced.json()).toMatchObject({ policy: {}, limits: {}, suspended: true });

    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(204);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(404);
  });

  it("that have been deleted do not give their uploads to whoever is named like them, unless the operator says so", async () => {
    await seedTenant("acme");
    await asOperator("DELETE", "/tenants/acme");
    const another = await asOperator("PUT", "/tenants/acme", { name: "Another Acme" });
    expect([another.status, await codeOf(another)]).toEqual([409, "conflict"]);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
    for (const value of ["", "yes"])
      expect(await codeOf(asOperator("PUT", `/tenants/acme?revive=${value}`, {}))).toBe("bad_request");
    expect((await asOperator("PUT", "/tenants/acme?revive=true", {})).status).toBe(201);
    expect((await asOperator("PUT", "/tenants/acme", { suspended: true })).status).toBe(200);
    const noUpstream = await asOperator("PUT", "/tenants/acme", { upstream: "nowhere" });
    expect(await codeOf(noUpstream)).toBe("body_invalid");
  });

  it("take their keys and issuers along when they are deleted", async () => {
    const key = await seedTenant("acme");
    const issuer = { issuer: "https://idp.example/", audience: "a", secret: "s".repeat(32), tenant: "acme" };
    expect((await asOperator("PUT", "/issuers/idp", issuer)).status).toBe(201);
    await asOperator("DELETE", "/tenants/acme");
    await asOperator("PUT", "/tenants/acme?revive=true", {});
    const answer = await request("GET", "/v1/acme/policy", { headers: { authorization: `Bearer ${key}` } });
    expect(await codeOf(answer)).toBe("credential_invalid");
    expect((await asOperator("GET", "/issuers/idp")).status).toBe(404);
  });

  it("are listed page by page", async () => {
    for (const id of ["a", "b", "c"]) await asOperator("PUT", `/tenants/${id}`, {});
    const page = async (query: string) =>
      (await asOperator("GET", `/tenants?${query}`)).json<{ tenants: { id: string }[]; cursor?: string }>();
    const first = await page("limit=2");
    expect([first.tenants.map(({ id }) => id), first.cursor]).toEqual([["a", "b"], "b"]);
    const second = await page("limit=2&cursor=b");
    expect([second.tenants.map(({ id }) => id), second.cursor]).toEqual([["c"], undefined]);
  });

  it.each([
    ["no JSON", "{", "body_invalid", undefined],
    ["an array", [], "body_invalid", undefined],
    ["null", null, "body_invalid", undefined],
    ["a number", 7, "body_invalid", undefined],
    ["an unknown field", { polcy: {} }, "body_invalid", "polcy"],
    ["a name that is none", { name: 5 }, "body_invalid", "name"],
    ["an unknown upstream", { upstream: "eu" }, "body_invalid", "upstream"],
    ["a limit below nothing", { limits: { pending: -1 } }, "body_invalid", "limits.pending"],
    ["a limit beyond counting", { limits: { pending: 1e300 } }, "body_invalid", "limits.pending"],
    ["a policy that is a text", { policy: "none" }, "body_invalid", "policy"],
    ["a policy with an unknown part", { policy: { uploads: {} } }, "body_invalid", "policy.uploads"],
    [
      "a misspelt metadata verb",
      { policy: { metadata: { name: { maxLenght: 5 } } } },
      "body_invalid",
      "policy.metadata.name.maxLenght",
    ],
    [
      "a key not in lower case",
      { policy: { metadata: { maxDurationSeconds: {} } } },
      "body_invalid",
      "policy.metadata.maxDurationSeconds",
    ],
    ["a reserved key", { policy: { metadata: { sluice: {} } } }, "body_invalid", "policy.metadata.sluice"],
    [
      "a default beyond its own maximum",
      { policy: { metadata: { maxdurationseconds: { default: 9, max: 5 } } } },
      "body_invalid",
      "policy.metadata.maxdurationseconds.default",
    ],
    [
      "a force beyond Stream's bounds",
      { policy: { metadata: { maxdurationseconds: { force: 36_001 } } } },
      "body_invalid",
      "policy.metadata.maxdurationseconds.force",
    ],
    [
      "force and required at once",
      { policy: { metadata: { name: { force: "a", required: true } } } },
      "body_invalid",
      "policy.metadata.name",
    ],
    [
      "a duration that is none",
      { policy: { metadata: { expiry: { max: "6 hours" } } } },
      "body_invalid",
      "policy.metadata.expiry.max",
    ],
    [
      "a pattern that backtracks",
      { policy: { metadata: { name: { pattern: "(a+)+$" } } } },
      "body_invalid",
      "policy.metadata.name.pattern",
    ],
    [
      "a pattern that is none",
      { policy: { metadata: { name: { pattern: "[" } } } },
      "body_invalid",
      "policy.metadata.name.pattern",
    ],
    ["an origin with a path", { policy: { origins: ["https://a.example/"] } }, "body_invalid", "policy.origins.0"],
    ["prototypes", '{"__proto__":{"policy":5}}', "body_invalid", undefined],
    [
      "a key named as a prototype",
      '{"policy":{"metadata":{"__proto__":{"force":1}}}}',
      "body_invalid",
      "policy.metadata.__proto__",
    ],
  ])("are not %s", async (_, body, code, key) => {
    const answer = await asOperator("PUT", "/tenants/acme", body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code, ...(key !== undefined && { key }) });
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
  });

  it("refuses a body that is too large, or says nothing of JSON", async () => {
    const large = await asOperator("PUT", "/tenants/acme", { name: "n".repeat(70_000) });
    expect([large.status, await codeOf(large)]).toEqual([413, "body_too_large"]);
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(" ".repeat(40_000)));
      },
    });
    const headers = { authorization: `Bearer ${env.OPERATOR_TOKEN}`, "content-type": "application/json" };
    const endless = await request("PUT", "/admin/v1/tenants/acme", { headers, body: stream });
    expect(await codeOf(endless)).toBe("body_too_large");
    const form = await request("PUT", "/admin/v1/tenants/acme", {
      headers: { ...headers, "content-type": "text/plain" },
      body: "{}",
    });
    expect(await codeOf(form)).toBe("body_invalid");
  });

  it.each(["A", "-a", "a_b", "a".repeat(33), "%00", "..%2f", "a%20b", "ä"])("do not have the id %s", async (id) => {
    for (const method of ["GET", "DELETE"]) {
      const answer = await asOperator(method, `/tenants/${id}`);
      expect([400, 404]).toContain(answer.status);
    }
    expect([400, 404]).toContain((await asOperator("PUT", `/tenants/${id}`, {})).status);
  });
});

describe("keys", () => {
  it("are shown once, listed without their secret, and good until revoked", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const made = await asOperator("POST", "/tenants/acme/keys", { name: "backend", scopes: ["policy:read"] });
    const { key, id } = await made.json<{ key: string; id: string }>();
    expect(key).toMatch(/^slu_[A-Za-z0-9]{16}_[A-Za-z0-9]{49}$/);
    const listed = await (await asOperator("GET", "/tenants/acme/keys")).text();
    expect(listed).toContain(id);
    expect(listed).not.toContain(key.slice(-49));
    const stored = JSON.stringify(await env.DB.prepare("SELECT * FROM api_keys").first());
    expect(stored).not.toContain(key.slice(-49));

    const use = () => request("GET", "/v1/acme/policy", { headers: { authorization: `Bearer ${key}` } });
    expect((await use()).status).toBe(200);
    expect((await asOperator("DELETE", `/tenants/other/keys/${id}`)).status).toBe(404);
    expect((await asOperator("DELETE", `/tenants/acme/keys/${id}`)).status).toBe(204);
    expect((await asOperator("DELETE", `/tenants/acme/keys/${id}`)).status).toBe(204);
    expect(await codeOf(use())).toBe("credential_revoked");
  });

  it("expire", async () => {
    const key = await seedTenant("acme", {}, { name: "old", expiresAt: "2020-01-01T00:00:00Z" });
    const answer = await request("GET", "/v1/acme/policy", { headers: { authorization: `Bearer ${key}` } });
    expect(await codeOf(answer)).toBe("credential_expired");
  });

  it.each([
    {},
    { name: "" },
    { name: "a", scopes: [] },
    { name: "a", scopes: ["admin"] },
    { name: "a", expiresAt: "soon" },
    { name: "a", expiresAt: "2026-13-45T00:00:00Z" },
  ])("are not made from %j", async (body) => {
    await asOperator("PUT", "/tenants/acme", {});
    expect(await codeOf(asOperator("POST", "/tenants/acme/keys", body))).toBe("body_invalid");
  });

  it("are not made for a tenant that is not there", async () => {
    expect((await asOperator("POST", "/tenants/nobody/keys", { name: "a" })).status).toBe(404);
    expect((await asOperator("GET", "/tenants/nobody/keys")).status).toBe(404);
  });
});

describe("issuers", () => {
  const valid = {
    issuer: "https://idp.example/",
    audience: "sluice",
    tenantClaim: "org",
    jwksUrl: "https://idp.example/jwks",
  };

  it("are created, read without their secret, and deleted", async () => {
    expect((await asOperator("PUT", "/issuers/idp", valid)).status).toBe(201);
    expect(await (await asOperator("GET", "/issuers/idp")).json()).toEqual({
      id: "idp",
      ...valid,
      algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
      subjectClaim: "sub",
      scopes: ["uploads:create"],
    });
    const { jwksUrl: _, ...rest } = valid;
    const secret = "a-shared-secret-of-32-bytes-or-more";
    const replaced = await asOperator("PUT", "/issuers/idp", { ...rest, secret });
    expect(replaced.status).toBe(200);
    expect(await replaced.json()).toMatchObject({ algorithms: ["HS256"] });
    expect(await (await asOperator("GET", "/issuers")).text()).not.toContain(secret);
    expect((await asOperator("DELETE", "/issuers/idp")).status).toBe(204);
  });

  it("do not hold private keys", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const { jwksUrl: _, ...rest } = valid;
    const put = async (key: CryptoKey) =>
      asOperator("PUT", "/issuers/idp", { ...rest, jwks: { keys: [await exportJWK(key)] } });
    expect(await codeOf(put(privateKey))).toBe("body_invalid");
    expect((await put(publicKey)).status).toBe(201);
  });

  it.each([
    { ...valid, tenant: "acme" },
    { ...valid, tenantClaim: undefined },
    { ...valid, tenantClaim: undefined, tenant: "nobody" },
    { ...valid, jwksUrl: undefined },
    { ...valid, secret: "s".repeat(32) },
    { ...valid, jwksUrl: "http://idp.example/jwks" },
    { ...valid, jwksUrl: "https://user:password@idp.example/jwks" },
    { ...valid, algorithms: ["none"] },
    { ...valid, algorithms: ["HS256"] },
    { ...valid, jwksUrl: undefined, secret: "short" },
    { ...valid, jwksUrl: undefined, secret: "s".repeat(32), algorithms: ["RS256"] },
  ])("are not %j", async (body) => {
    expect(await codeOf(asOperator("PUT", "/issuers/idp", body))).toBe("body_invalid");
  });
});

describe("upstreams", () => {
  const valid = { accountId: "abc123", apiToken: "secret-token" };

  it("are created, shown without their credential, and not deleted while in use", async () => {
    expect((await asOperator("PUT", "/upstreams/eu", valid)).status).toBe(201);
    const shown = await asOperator("GET", "/upstreams/eu");
    expect(await shown.json()).toEqual({
      id: "eu",
      accountId: "abc123",
      apiBase: "https://api.cloudflare.com/client/v4",
      uploadHosts: ["upload.videodelivery.net", "upload.cloudflarestream.com"],
    });
    await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    expect(await codeOf(asOperator("DELETE", "/upstreams/eu"))).toBe("conflict");
    await asOperator("PUT", "/tenants/acme", {});
    expect((await asOperator("DELETE", "/upstreams/eu")).status).toBe(204);
    expect((await asOperator("DELETE", "/upstreams/eu")).status).toBe(404);
  });

  it.each([
    { accountId: "abc123" },
    { ...valid, apiEmail: "a@b.example", apiKey: "k" },
    { accountId: "abc123", apiEmail: "a@b.example" },
    { ...valid, accountId: "../../zones" },
    { ...valid, apiBase: "http://api.example" },
    { ...valid, apiToken: "a\r\nX-Evil: 1" },
    { ...valid, uploadHosts: ["https://up.example"] },
  ])("are not %j", async (body) => {
    expect(await codeOf(asOperator("PUT", "/upstreams/eu", body))).toBe("body_invalid");
  });

  it("stay with their account while tenants are on them, whose videos would seem to be gone", async () => {
    await asOperator("PUT", "/upstreams/eu", valid);
    await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    const other = { ...valid, accountId: "other" };
    expect(await codeOf(asOperator("PUT", "/upstreams/eu", other))).toBe("conflict");
    expect((await asOperator("PUT", "/upstreams/eu", { ...valid, apiToken: "rotated" })).status).toBe(200);
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toMatchObject({ accountId: "abc123" });
    await asOperator("PUT", "/tenants/acme", {});
    expect((await asOperator("PUT", "/upstreams/eu", other)).status).toBe(200);
  });

  it("named default are the environment's", async () => {
    expect(await codeOf(asOperator("PUT", "/upstreams/default", valid))).toBe("conflict");
  });
});
