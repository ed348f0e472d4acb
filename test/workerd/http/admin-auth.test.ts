import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

describe("tenants", () => {
  it("that have been deleted do not give their uploads to whoever is named like them, unless the operator says so", async () => {
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

  it("that are there again do not have the keys that they had", async () => {
    const key = await seedTenant("acme");
    await asOperator("DELETE", "/tenants/acme");
    await asOperator("PUT", "/tenants/acme?restore=true", {});
    const answer = await request("GET", "/v1/acme/policy", { headers: { authorization: `Bearer ${key}` } });
    expect(await codeOf(answer)).toBe("credential_invalid");
  });

  it.each([
    ["a text", "none", "policy"],
    ["an unknown part", { uploads: {} }, "policy.uploads"],
    ["a misspelt metadata verb", { metadata: { name: { maxLenght: 5 } } }, "policy.metadata.name.maxLenght"],
    ["a key not in lower case", { metadata: { maxDurationSeconds: {} } }, "policy.metadata.maxDurationSeconds"],
    ["a reserved key", { metadata: { sluice: {} } }, "policy.metadata.sluice"],
    [
      "a default beyond its own maximum",
      { metadata: { maxdurationseconds: { default: 9, max: 5 } } },
      "policy.metadata.maxdurationseconds.default",
    ],
    [
      "a force beyond Stream's bounds",
      { metadata: { maxdurationseconds: { force: 36_001 } } },
      "policy.metadata.maxdurationseconds.force",
    ],
    ["force and required at once", { metadata: { name: { force: "a", required: true } } }, "policy.metadata.name"],
    ["a duration that is none", { metadata: { expiry: { max: "6 hours" } } }, "policy.metadata.expiry.max"],
    ["a pattern that backtracks", { metadata: { name: { pattern: "(a+)+$" } } }, "policy.metadata.name.pattern"],
    ["a pattern that is none", { metadata: { name: { pattern: "[" } } }, "policy.metadata.name.pattern"],
    ["an origin with a path", { origins: ["https://a.example/"] }, "policy.origins.0"],
  ])("refuse a policy: %s", async (_, policy, key) => {
    const answer = await asOperator("PUT", "/tenants/acme", { policy });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "body_invalid", key });
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
  });

  it.each(["A", "-a", "a_b", "%00", "..%2f", "a%20b", "ä"])("do not have the id %s", async (id) => {
    for (const method of ["GET", "DELETE"]) {
      const answer = await asOperator(method, `/tenants/${id}`);
      expect([400, 404]).toContain(answer.status);
    }
    expect([400, 404]).toContain((await asOperator("PUT", `/tenants/${id}`, {})).status);
  });
});

describe("issuers", () => {
  const valid = { issuer: "https://idp.example/", audience: "sluice", tenantClaim: "org" };

  it("do not hold private keys", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const put = async (key: CryptoKey) =>
      asOperator("PUT", "/issuers/idp", { ...valid, jwks: { keys: [await exportJWK(key)] } });
    expect(await codeOf(put(privateKey))).toBe("body_invalid");
    expect((await put(publicKey)).status).toBe(201);
  });

  it("are not asked for their keys with a password", async () => {
    const jwksUrl = "https://user:password@idp.example/jwks";
    expect(await codeOf(asOperator("PUT", "/issuers/idp", { ...valid, jwksUrl }))).toBe("body_invalid");
  });
});

describe("upstreams", () => {
  const valid = { accountId: "abc123", apiToken: "secret-token" };

  it("are Cloudflare's where the document does not say whose", async () => {
    expect((await asOperator("PUT", "/upstreams/eu", valid)).status).toBe(201);
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toEqual({
      id: "eu",
      accountId: "abc123",
      apiBase: "https://api.cloudflare.com/client/v4",
      uploadHosts: ["upload.videodelivery.net", "upload.cloudflarestream.com"],
    });
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
});
