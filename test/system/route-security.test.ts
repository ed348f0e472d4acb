import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, UnsecuredJWT, exportJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import { formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { ROUTES, type Route, requestTo } from "../support/route-table.ts";

let harness: TestGateway;
let key: string;
let otherKey: string;
let suspendedKey: string;
let idp: Awaited<ReturnType<typeof startIdentityProvider>>;

beforeAll(async () => {
  // Failures are counted per address, and all of these come from one.
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "1" });
  key = await harness.tenant("acme");
  otherKey = await harness.tenant("other");
  suspendedKey = await harness.tenant("sleepy");
  await harness.operator("PUT", "/tenants/sleepy", { suspended: true });
  idp = await startIdentityProvider();
  const issuer = { audience: "sluice", jwksUrl: idp.jwksUrl };
  await harness.operator("PUT", "/issuers/operator", {
    ...issuer,
    issuer: "https://idp.example/",
    tenantClaim: "org",
    scopes: ["uploads:create", "grants:create"],
  });
  await harness.operator("PUT", "/issuers/operator-too", {
    ...issuer,
    issuer: "https://idp.example/",
    audience: "another-api",
    tenantClaim: "org",
  });
  await harness.operator("PUT", "/issuers/of-other", { ...issuer, issuer: "https://other.example/", tenant: "other" });
});
afterAll(async () => {
  idp.stop();
  await harness.stop();
});

let caller = 0;

function call(route: Route, tenant: string, headers: Record<string, string>, id = "0"): Promise<Response> {
  const [path, init] = requestTo(route, route.path.replace(":tenant", tenant).replace(":id", id), {
    // An address of its own for each call, or the limit of failures would answer.
    "CF-Connecting-IP": `10.${caller >> 16}.${(caller >> 8) & 255}.${caller++ & 255}`,
    ...headers,
  });
  return fetch(harness.url + path, init);
}

/** The uid of an upload that is there, for a route that needs one. */
async function existing(route: Route): Promise<string | undefined> {
  if (!route.path.includes(":id")) return undefined;
  return (await create(harness.url, "acme", bearer(key))).headers.get("stream-media-id") ?? "";
}

const BAD_JWTS: [string, () => Promise<string>, string][] = [
  ["for another audience", () => idp.sign({ aud: "someone-else" }), "credential_wrong_audience"],
  ["of an unknown issuer", () => idp.sign({ iss: "https://evil.example/" }), "credential_unknown_issuer"],
  ["that has expired", () => idp.sign({ exp: 1_000 }), "credential_expired"],
  ["that is not valid yet", () => idp.sign({ nbf: 9_999_999_999 }), "credential_not_yet_valid"],
  ["that never expires", () => idp.sign({ exp: undefined }), "credential_invalid"],
  ["whose audience is no text", () => idp.sign({ aud: 5 }), "credential_invalid"],
  ["whose issuer is no text", () => idp.sign({ iss: {} }), "credential_invalid"],
  ["without a subject", () => idp.sign({ sub: undefined }), "credential_invalid"],
  ["whose subject is a number", () => idp.sign({ sub: 5 }), "credential_invalid"],
  ["that names no tenant", () => idp.sign({ org: undefined }), "credential_invalid"],
  ["of an unknown key", () => idp.sign({}, "unknown"), "credential_unknown_key"],
  ["with another key's signature", () => idp.forge("another key"), "credential_invalid"],
  ["with the public key for a shared secret", () => idp.forge("HS256"), "credential_invalid"],
  ["without a signature", () => idp.forge("none"), "credential_invalid"],
];

describe.each(ROUTES)("$method $path", (route) => {
  const refusal = async (tenant: string, headers: Record<string, string>) => {
    const answer = await call(route, tenant, headers);
    const { code } = await problemOf(answer);
    return [answer.status, code, answer.headers.get("www-authenticate")];
  };
  const invalid = 'Bearer realm="sluice", error="invalid_token"';

  it("is open to a key of the tenant", async () => {
    expect((await call(route, "acme", bearer(key), await existing(route))).status).toBe(route.success);
  });

  it("asks for a credential", async () => {
    expect(await refusal("acme", {})).toEqual([401, "credential_missing", 'Bearer realm="sluice"']);
  });

  it.each([
    ["another scheme", "Basic YTpi"],
    ["nothing after Bearer", "Bearer "],
    ["two credentials", "Bearer a b"],
    ["junk", "Bearer junk"],
    ["a key with a wrong checksum", `Bearer slu_${"a".repeat(16)}_${"b".repeat(49)}`],
    ["a well-formed key that nobody made", `Bearer ${formatApiKey("a".repeat(16), "b".repeat(43)).text}`],
    ["three parts of nothing", "Bearer a.b.c"],
  ])("does not take %s", async (_, authorization) => {
    expect(await refusal("acme", { Authorization: authorization })).toEqual([401, "credential_invalid", invalid]);
  });

  it("does not take a key with another secret", async () => {
    const [, id = ""] = key.split("_");
    const forged = formatApiKey(id, "x".repeat(43)).text;
    expect(await refusal("acme", bearer(forged))).toEqual([401, "credential_invalid", invalid]);
  });

  it("does not take a credential that is too large", async () => {
    expect(await refusal("acme", bearer("a".repeat(8_193)))).toEqual([401, "credential_too_large", invalid]);
  });

  it.each(BAD_JWTS)("does not take a JWT %s", async (_, sign, code) => {
    expect(await refusal("acme", bearer(await sign()))).toEqual([401, code, invalid]);
  });

  it("does not take another tenant's credential, whether the tenant exists or not", async () => {
    const mismatch = [403, "tenant_mismatch", 'Bearer realm="sluice", error="insufficient_scope"'];
    for (const credential of [otherKey, await idp.sign({ org: "other" })])
      for (const tenant of ["acme", "nobody", "NOT-A-TENANT"])
        expect(await refusal(tenant, bearer(credential))).toEqual(mismatch);
  });

  it("is shut to a suspended tenant", async () => {
    expect(await refusal("sleepy", bearer(suspendedKey))).toEqual([403, "tenant_suspended", null]);
  });

  it("asks for its scope", async () => {
    const scopes = SCOPES.filter((scope) => scope !== route.scope);
    const narrow = await harness.operator("POST", "/tenants/acme/keys", { name: "narrow", scopes });
    expect(await refusal("acme", bearer(narrow["key"] ?? ""))).toEqual([
      403,
      "scope_missing",
      `Bearer realm="sluice", error="insufficient_scope", scope="${route.scope}"`,
    ]);
  });

  it("is shut to a revoked key, at once where it was revoked", async () => {
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "short-lived" });
    expect((await call(route, "acme", bearer(made["key"] ?? ""), await existing(route))).status).toBe(route.success);
    await harness.operator("DELETE", `/tenants/acme/keys/${made["id"]}`);
    expect(await refusal("acme", bearer(made["key"] ?? ""))).toEqual([401, "credential_revoked", invalid]);
  });

  it("is shut to an expired key", async () => {
    const expiresAt = new Date(Date.now() - 1_000).toISOString();
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "old", expiresAt });
    expect(await refusal("acme", bearer(made["key"] ?? ""))).toEqual([401, "credential_expired", invalid]);
  });
});

describe("a JWT", () => {
  const upload = (token: string, tenant = "acme") => call(ROUTES[0], tenant, bearer(token));
  const codeOf = async (answer: Promise<Response>) => (await problemOf(await answer)).code;

  it("of the operator's identity provider speaks for the tenant in its claim, and its subject is the creator", async () => {
    harness.stream.reset();
    expect((await upload(await idp.sign({ org: "acme", sub: "user-1" }))).status).toBe(201);
    expect(harness.stream.videos()[0]?.creator).toBe("user-1");
    expect(await codeOf(upload(await idp.sign({ org: "nobody" }), "nobody"))).toBe("not_found");
  });

  it("of a tenant's own identity provider speaks for that tenant only", async () => {
    const token = await idp.sign({ iss: "https://other.example/", org: "acme" });
    expect((await upload(token, "other")).status).toBe(201);
    expect(await codeOf(upload(token, "acme"))).toBe("tenant_mismatch");
  });

  it("with a subject that could not be a header creates nothing", async () => {
    expect(await codeOf(upload(await idp.sign({ sub: "a\r\nb" })))).toBe("creator_invalid");
  });

  it("of an unknown key is refused, and the keys are not fetched again for each", async () => {
    const before = idp.fetches();
    for (let index = 0; index < 5; index++)
      expect(await codeOf(upload(await idp.sign({ org: "acme" }, `unknown-${index}`)))).toBe("credential_unknown_key");
    expect(idp.fetches() - before).toBeLessThanOrEqual(1);
  });

  it("mints grants for its own subject only", async () => {
    const token = await idp.sign({ org: "acme", sub: "user-1" });
    const mint = (body: object) =>
      fetch(`${harness.url}/v1/acme/grants`, {
        method: "POST",
        headers: { ...bearer(token), "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    expect(await (await mint({})).json()).toMatchObject({ subject: "user-1" });
    expect(await codeOf(mint({ subject: "user-2" }))).toBe("body_invalid");
  });

  it("is neither accepted nor refused while its issuer's keys cannot be had", async () => {
    await harness.operator("PUT", "/issuers/down", {
      issuer: "https://down.example/",
      audience: "sluice",
      tenant: "acme",
      jwksUrl: "http://127.0.0.1:9/jwks",
    });
    const answer = await upload(await idp.sign({ iss: "https://down.example/" }));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, "jwks_unavailable"]);
    expect((await upload(await idp.sign({ iss: "https://down.example/" }))).status).toBe(503);
  });
});

describe("a grant", () => {
  const mint = async (body: object, credential = key) => {
    const answer = await fetch(`${harness.url}/v1/acme/grants`, {
      method: "POST",
      headers: { ...bearer(credential), "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) expect(answer.headers.get("cache-control")).toBe("no-store");
    return { status: answer.status, ...((await answer.json()) as { grant: string; expiresAt: string; code?: string }) };
  };
  const uploadWith = (grant: string, tenant = "acme", metadata = {}) =>
    create(harness.url, tenant, { "Upload-Metadata": metadataHeader({ ...metadata, grant }) });

  it("creates an upload for its subject, from the metadata or as a bearer, and never reaches Stream", async () => {
    harness.stream.reset();
    const { grant, expiresAt } = await mint({ subject: "user-9", expiresIn: 60 });
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
    expect((await uploadWith(grant)).status).toBe(201);
    const again = await mint({ subject: "user-9" });
    expect((await create(harness.url, "acme", bearer(again.grant))).status).toBe(201);
    expect(harness.stream.videos().map(({ creator }) => creator)).toEqual(["user-9", "user-9"]);
    expect(JSON.stringify(harness.stream.requests())).not.toContain(Buffer.from(grant).toString("base64").slice(0, 40));
    expect(harness.stream.videos()[0]?.meta).not.toHaveProperty("grant");
  });

  it("narrows the policy", async () => {
    harness.stream.reset();
    const { grant } = await mint({ policy: { metadata: { maxdurationseconds: { max: 60 } } } });
    expect((await uploadWith(grant)).status).toBe(201);
    expect(harness.stream.videos()[0]?.maxDurationSeconds).toBe(60);
    expect((await problemOf(await uploadWith(grant, "acme", { maxdurationseconds: "61" }))).code).toBe(
      "policy_violation",
    );
  });

  it("opens nothing else", async () => {
    const { grant } = await mint({});
    for (const route of ROUTES.filter(({ scope }) => scope !== "uploads:create"))
      expect((await problemOf(await call(route, "acme", bearer(grant)))).code).toBe("scope_missing");
    expect((await problemOf(await uploadWith(grant, "other"))).code).toBe("tenant_mismatch");
  });

  it("dies with the key that minted it", async () => {
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "minter" });
    const { grant } = await mint({}, made["key"]);
    expect((await uploadWith(grant)).status).toBe(201);
    await harness.operator("DELETE", `/tenants/acme/keys/${made["id"]}`);
    expect((await problemOf(await uploadWith(grant))).code).toBe("credential_revoked");
  });

  it("dies when the key that minted it expires", async () => {
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "short", expiresAt });
    const { grant } = await mint({}, made["key"]);
    expect((await uploadWith(grant)).status).toBe(201);
    await expect
      .poll(async () => (await problemOf(await uploadWith(grant))).code, { timeout: 6_000, interval: 500 })
      .toBe("credential_expired");
  });

  it("that was minted is one that is taken, however its policy is written", async () => {
    const force = "\u6620".repeat(1_000);
    const wide = { metadata: { name: { force }, project: { force: force.slice(50) } } };
    expect(await mint({ policy: wide })).toMatchObject({ status: 400, code: "body_invalid" });
    const { grant } = await mint({ policy: { metadata: { name: { force: force.slice(400) } } } });
    expect((await uploadWith(grant)).status).toBe(201);
  });

  it.each([
    { expiresIn: 9 },
    { expiresIn: 86_401 },
    { expiresIn: 1.5 },
    { subject: "" },
    { subject: "a\nb" },
    { subject: "s".repeat(65) },
    { policy: { metadata: { sluice: {} } } },
    { policy: [] },
    { policy: { origins: Array.from({ length: 100 }, (_, index) => `https://a-rather-long-name-${index}.example`) } },
    { extra: 1 },
    [],
  ])("is not minted from %j", async (body) => {
    expect(await mint(body)).toMatchObject({ status: 400, code: "body_invalid" });
  });

  it("is the only credential that metadata may carry", async () => {
    expect((await problemOf(await uploadWith(key))).code).toBe("credential_invalid");
    expect((await problemOf(await uploadWith(await idp.sign({ org: "acme" })))).code).toBe("credential_invalid");
    const { grant } = await mint({});
    const both = await create(harness.url, "acme", { ...bearer(key), "Upload-Metadata": metadataHeader({ grant }) });
    expect((await problemOf(both)).code).toBe("credential_invalid");
  });
});

/** An identity provider: keys at a URL, and tokens. */
async function startIdentityProvider() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  let fetches = 0;
  const server = createServer((_, response) => {
    fetches++;
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const claimsWith = (claims: object) => {
    const exp = Math.floor(Date.now() / 1000) + 60;
    return { iss: "https://idp.example/", aud: "sluice", sub: "user-1", org: "acme", exp, ...claims };
  };
  const sign = (claims: object, kid = "k1", key = privateKey) =>
    new SignJWT(claimsWith(claims)).setProtectedHeader({ alg: "ES256", kid }).sign(key);
  /** A token with all that a good one has, but the signature. */
  const forge = async (by: "another key" | "HS256" | "none") => {
    if (by === "none") return new UnsecuredJWT(claimsWith({})).encode();
    if (by === "another key") return sign({}, "k1", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const secret = new TextEncoder().encode(JSON.stringify(jwk));
    return new SignJWT(claimsWith({})).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(secret);
  };
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    sign,
    forge,
    fetches: () => fetches,
    stop: () => server.close(),
  };
}
