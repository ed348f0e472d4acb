import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, seedTenant } from "../support/worker.ts";

const json = async (answer: Promise<Response>) => (await answer).json<Record<string, unknown>>();

const UPSTREAM = { accountId: "account", apiToken: "stream-token" };
const ISSUER = {
  issuer: "https://idp.example/",
  audience: "sluice",
  jwksUrl: "https://idp.example/jwks",
  tenantClaim: "org",
};
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB", kid: "k1" };

describe("upstreams of the admin API", () => {
  it.each([
    ["stream-token", UPSTREAM],
    ["global-key", { accountId: "account", apiEmail: "ops@example.com", apiKey: "global-key" }],
  ])("never returns a stored credential: %s", async (secret, document) => {
    const put = await asOperator("PUT", "/upstreams/eu?check=false", {
      ...document,
      apiBase: "https://api.example/v4//",
    });
    expect(put.status).toBe(201);
    expect(
      (await asOperator("PUT", "/upstreams/eu?check=false", { ...document, apiBase: "https://api.example/v4" })).status,
    ).toBe(200);
    const texts = [await put.text()];
    for (const path of ["/upstreams/eu", "/upstreams"]) texts.push(await (await asOperator("GET", path)).text());
    texts.push(JSON.stringify((await env.DB.prepare("SELECT * FROM upstreams").all()).results));
    for (const text of texts) expect(text).not.toContain(secret);
    expect(JSON.parse(texts[0] ?? "")).toMatchObject({
      id: "eu",
      accountId: "account",
      apiBase: "https://api.example/v4",
    });
  });

  it("returns 409 for changes to the upstream named default", async () => {
    expect(await codeOf(asOperator("PUT", "/upstreams/default", UPSTREAM))).toBe("conflict");
    expect(await codeOf(asOperator("DELETE", "/upstreams/default"))).toBe("conflict");
  });

  it("uses Cloudflare's API and upload hosts by default", async () => {
    expect((await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM)).status).toBe(201);
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toEqual({
      id: "eu",
      accountId: "account",
      apiBase: "https://api.cloudflare.com/client/v4",
      uploadHosts: ["upload.videodelivery.net", "upload.cloudflarestream.com"],
    });
  });

  it("returns 409 when the account of an upstream in use is changed", async () => {
    await asOperator("PUT", "/upstreams/eu?check=false", UPSTREAM);
    await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    const other = { ...UPSTREAM, accountId: "other" };
    expect(await codeOf(asOperator("PUT", "/upstreams/eu?check=false", other))).toBe("conflict");
    expect((await asOperator("PUT", "/upstreams/eu?check=false", { ...UPSTREAM, apiToken: "rotated" })).status).toBe(
      200,
    );
    expect(await (await asOperator("GET", "/upstreams/eu")).json()).toMatchObject({ accountId: "account" });
    await asOperator("PUT", "/tenants/acme", {});
    expect((await asOperator("PUT", "/upstreams/eu?check=false", other)).status).toBe(200);
  });
});

describe("issuers of the admin API", () => {
  it.each<[string, object, object]>([
    ["by URL", {}, { algorithms: ["RS256", "PS256", "ES256", "EdDSA"], jwksUrl: ISSUER.jwksUrl, subjectClaim: "sub" }],
    ["on loopback, in development", { jwksUrl: "http://127.0.0.1:9/jwks" }, { jwksUrl: "http://127.0.0.1:9/jwks" }],
    ["by keys", { jwksUrl: undefined, jwks: { keys: [RSA_KEY] } }, { jwks: { keys: [RSA_KEY] } }],
    ["by secret", { jwksUrl: undefined, secret: "s".repeat(32) }, { algorithms: ["HS256"] }],
    ["for one tenant", { tenantClaim: undefined, tenant: "acme" }, { tenant: "acme" }],
    ["by default with grants of an hour", {}, { maxGrantSeconds: 3_600 }],
    ["with longer grants", { maxGrantSeconds: 86_400 }, { maxGrantSeconds: 86_400 }],
    ["with scopes", { scopes: ["policy:read"], subjectClaim: "uid" }, { scopes: ["policy:read"], subjectClaim: "uid" }],
  ])("creates, replaces, reads, lists and deletes an issuer %s", async (_, change, expected) => {
    await seedTenant("acme");
    const put = await asOperator("PUT", "/issuers/idp", { ...ISSUER, ...change });
    expect(put.status).toBe(201);
    const document = await put.json();
    expect(document).toMatchObject({ id: "idp", issuer: ISSUER.issuer, ...expected });
    expect(JSON.stringify(document)).not.toContain("ssss");
    expect(await json(asOperator("GET", "/issuers/idp"))).toEqual(document);
    expect(await json(asOperator("GET", "/issuers"))).toMatchObject({ issuers: [document] });
    expect((await asOperator("PUT", "/issuers/idp", ISSUER)).status).toBe(200);
    expect((await asOperator("DELETE", "/issuers/idp")).status).toBe(204);
    expect((await asOperator("DELETE", "/issuers/idp")).status).toBe(404);
  });

  it("keeps only the members of a key that verification needs", async () => {
    const key = { ...RSA_KEY, x5c: ["MIIC"], anything: { deep: true } };
    const document = await json(
      asOperator("PUT", "/issuers/idp", { ...ISSUER, jwksUrl: undefined, jwks: { keys: [key] } }),
    );
    expect(document["jwks"]).toEqual({ keys: [RSA_KEY] });
  });

  const { jwksUrl: _, ...keyless } = ISSUER;

  it("rejects private keys", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const put = async (key: CryptoKey) =>
      asOperator("PUT", "/issuers/idp", { ...keyless, jwks: { keys: [await exportJWK(key)] } });
    expect(await codeOf(put(privateKey))).toBe("body_invalid");
    expect((await put(publicKey)).status).toBe(201);
  });

  it("rejects a jwksUrl with a password", async () => {
    const jwksUrl = "https://user:password@idp.example/jwks";
    expect(await codeOf(asOperator("PUT", "/issuers/idp", { ...ISSUER, jwksUrl }))).toBe("body_invalid");
  });
});
