import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { metadataHeader } from "../support/metadata.ts";
import { type IdentityProvider, startIdentityProvider } from "../support/identity-provider.ts";
import { scopesOfGrant } from "../../src/core/auth/rules/scopes.ts";
import { ROUTES, type Route, requestTo } from "../support/route-table.ts";

/** Such as Stream does not take. */
const LONG_SUBJECTS = [
  "x".repeat(100),
  "zoë@example.com",
  "https://idp.example/u/" + "1".repeat(60),
  "🎬".repeat(255),
  " a",
];

/** JWTs and grants: whom they speak for, and what they open. */

let harness: TestGateway;
let key: string;
let idp: IdentityProvider;

beforeAll(async () => {
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "1" });
  key = await harness.tenant("acme");
  await harness.tenant("other");
  idp = await startIdentityProvider();
  const issuer = { audiences: ["sluice"], keys: { jwksUrl: idp.jwksUrl } };
  await harness.operator("PUT", "/issuers/operator", {
    ...issuer,
    issuer: "https://idp.example/",
    tenant: { claim: "org" },
    scopes: ["uploads:create", "uploads:read", "uploads:delete", "grants:create"],
  });
  await harness.operator("PUT", "/issuers/operator-too", {
    ...issuer,
    issuer: "https://idp.example/",
    audiences: ["another-api"],
    tenant: { claim: "org" },
  });
  await harness.operator("PUT", "/issuers/of-other", {
    ...issuer,
    issuer: "https://other.example/",
    tenant: { fixed: "other" },
  });
});
afterAll(async () => {
  idp.stop();
  await harness.stop();
});

let caller = 0;

function call(route: Route, tenant: string, headers: Record<string, string>, id = "0"): Promise<Response> {
  const [path, init] = requestTo(route, route.path.replace(":tenant", tenant).replace(":id", id), {
    // Each call has its own address: failed attempts are limited per address.
    "CF-Connecting-IP": `10.${caller >> 16}.${(caller >> 8) & 255}.${caller++ & 255}`,
    ...headers,
  });
  return fetch(harness.url + path, init);
}

describe("JWT", () => {
  const upload = (token: string, tenant = "acme") => call(ROUTES[0], tenant, bearer(token));
  const codeOf = async (answer: Promise<Response>) => (await problemOf(await answer)).code;

  it("authenticates for the tenant in its claim, with its subject as the creator", async () => {
    harness.stream.reset();
    expect((await upload(await idp.sign({ org: "acme", sub: "user-1" }))).status).toBe(201);
    expect(harness.stream.videos()[0]?.creator).toBe("user-1");
    expect(await codeOf(upload(await idp.sign({ org: "nobody" }), "nobody"))).toBe("not_found");
  });

  it("of an issuer with a fixed tenant authenticates only for that tenant", async () => {
    const token = await idp.sign({ iss: "https://other.example/", org: "acme" });
    expect((await upload(token, "other")).status).toBe(201);
    expect(await codeOf(upload(token, "acme"))).toBe("tenant_mismatch");
  });

  it.each(LONG_SUBJECTS)("of the subject %j creates, lists and cancels an upload", async (sub) => {
    harness.stream.reset();
    const token = await idp.sign({ org: "acme", sub });
    const made = await upload(token);
    expect(made.status).toBe(201);
    expect(harness.stream.videos()[0]?.creator).toMatch(/^[\w-]{43}$/);
    const id = made.headers.get("sluice-upload-id") ?? "";
    const list = await fetch(`${harness.url}/v1/acme/uploads?creator=${encodeURIComponent(sub)}`, {
      headers: bearer(token),
    });
    expect(await list.json()).toMatchObject({ uploads: [{ id, subject: sub, namespace: "operator" }] });
    const cancelled = await fetch(`${harness.url}/v1/acme/uploads/${id}`, { method: "DELETE", headers: bearer(token) });
    expect(await cancelled.json()).toMatchObject({ id, state: "cancelled", subject: sub });
  });

  it.each(["a\r\nb", "\ud800", "x".repeat(256)])("is rejected with the subject %j", async (sub) => {
    expect((await upload(await idp.sign({ org: "acme", sub }))).status).toBe(401);
  });

  it("of an unknown key is rejected without fetching the keys each time", async () => {
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

  it("returns 503 while the keys of its issuer are unreachable", async () => {
    await harness.operator("PUT", "/issuers/down", {
      issuer: "https://down.example/",
      audiences: ["sluice"],
      tenant: { fixed: "acme" },
      keys: { jwksUrl: "http://127.0.0.1:9/jwks" },
    });
    const answer = await upload(await idp.sign({ iss: "https://down.example/" }));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, "jwks_unavailable"]);
    expect((await upload(await idp.sign({ iss: "https://down.example/" }))).status).toBe(503);
  });
});

describe("a token in a header that its issuer names", () => {
  it("creates an upload where nothing else is sent, and is ignored otherwise", async () => {
    await harness.operator("PUT", "/issuers/access", {
      issuer: "https://access.example/",
      audiences: ["sluice"],
      keys: { jwksUrl: idp.jwksUrl },
      tenant: { fixed: "acme" },
      header: "cf-access-jwt-assertion",
    });
    const header = async (claims: object) => ({ "Cf-Access-Jwt-Assertion": await idp.sign(claims) });
    const ofAccess = await header({ iss: "https://access.example/" });
    await expect.poll(async () => (await call(ROUTES[0], "acme", ofAccess)).status, { timeout: 5_000 }).toBe(201);
    expect((await call(ROUTES[0], "acme", { ...ofAccess, "X-API-Key": key })).status).toBe(201);
    const ofAnother = await problemOf(await call(ROUTES[0], "acme", await header({})));
    expect(ofAnother).toMatchObject({ code: "credential_unknown_issuer", step: "issuer" });
    const elsewhere = await problemOf(await call(ROUTES[0], "other", ofAccess));
    expect(elsewhere).toMatchObject({ code: "tenant_mismatch", step: "tenant" });
  });
});

describe("grant", () => {
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

  it("creates an upload for its subject, in the metadata or as a bearer, and is not sent to Stream", async () => {
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

  it.each(LONG_SUBJECTS)("of the subject %j creates an upload of that person", async (subject) => {
    harness.stream.reset();
    const minted = await mint({ subject });
    expect(minted).toMatchObject({ status: 201, subject, namespace: "tenant" });
    const made = await uploadWith(minted.grant);
    expect(made.status).toBe(201);
    const [video] = harness.stream.videos();
    expect(video?.creator).toMatch(/^[\w-]{43}$/);
    const id = made.headers.get("sluice-upload-id") ?? "";
    const get = (path: string) => fetch(`${harness.url}/v1/acme/uploads${path}`, { headers: bearer(key) });
    const document = { id, creator: video?.creator, subject, namespace: "tenant" };
    expect(await (await get(`/${id}`)).json()).toMatchObject(document);
    for (const creator of [subject, video?.creator ?? ""])
      expect(await (await get(`?creator=${encodeURIComponent(creator)}`)).json()).toMatchObject({
        uploads: expect.arrayContaining([expect.objectContaining(document)]),
      });
    const own = await fetch(`${harness.url}/v1/acme/uploads/${id}`, { headers: bearer(minted.grant) });
    expect(own.status).toBe(200);
    await fetch(`${harness.url}/v1/acme/uploads/${id}`, { method: "DELETE", headers: bearer(key) });
  });

  it("creates an upload with the longest subject, reference and policy", async () => {
    const policy = (force: string) => ({ metadata: { name: { force: "x".repeat(1_000) } }, custom: { a: { force } } });
    await harness.operator("PUT", "/tenants/acme", { policy: { custom: { a: {} } } });
    const left = 2_048 - JSON.stringify(policy("")).length;
    const longest = { subject: "🎬".repeat(255), reference: "🎬".repeat(200), policy: policy("x".repeat(left)) };
    const { grant } = await mint(longest);
    expect((await uploadWith(grant)).status).toBe(201);
    expect((await create(harness.url, "acme", bearer(grant))).status).toBe(201);
    await harness.operator("PUT", "/tenants/acme", { policy: {} });
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

  it("is rejected by all routes but creations, and reaches no upload but its own", async () => {
    const { grant } = await mint({});
    for (const route of ROUTES.filter(({ scope }) => scope !== "uploads:create"))
      expect((await problemOf(await call(route, "acme", bearer(grant)))).code, route.path).toBe(
        route.path.includes(":id") && scopesOfGrant(true).has(route.scope) ? "not_found" : "scope_missing",
      );
    expect((await problemOf(await uploadWith(grant, "other"))).code).toBe("tenant_mismatch");
  });

  it("is revoked with the key that minted it", async () => {
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "minter" });
    const { grant } = await mint({}, made["key"]);
    expect((await uploadWith(grant)).status).toBe(201);
    await harness.operator("DELETE", `/tenants/acme/keys/${made["id"]}`);
    expect((await problemOf(await uploadWith(grant))).code).toBe("credential_revoked");
  });

  it("expires with the key that minted it", async () => {
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "short", expiresAt });
    const { grant } = await mint({}, made["key"]);
    expect((await uploadWith(grant)).status).toBe(201);
    await expect
      .poll(async () => (await problemOf(await uploadWith(grant))).code, { timeout: 6_000, interval: 500 })
      .toBe("credential_expired");
  });

  it("is minted only when it fits into the metadata, whatever characters its policy has", async () => {
    const force = "\u6620".repeat(1_000);
    const wide = { metadata: { name: { force } }, custom: { project: { force: force.slice(50) } } };
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
    { subject: "s".repeat(256) },
    { subject: "\ud800" },
    { policy: { metadata: { sluice: {} } } },
    { policy: { metadata: { project: {} } } },
    { policy: [] },
    { policy: { origins: Array.from({ length: 100 }, (_, index) => `https://a-rather-long-name-${index}.example`) } },
    { extra: 1 },
    [],
  ])("is not minted for the body %j", async (body) => {
    expect(await mint(body)).toMatchObject({ status: 400, code: "body_invalid" });
  });

  it("is the only credential accepted in the metadata", async () => {
    expect((await problemOf(await uploadWith(key))).code).toBe("credential_invalid");
    expect((await problemOf(await uploadWith(await idp.sign({ org: "acme" })))).code).toBe("credential_invalid");
    const { grant } = await mint({});
    const both = await create(harness.url, "acme", { ...bearer(key), "Upload-Metadata": metadataHeader({ grant }) });
    expect((await problemOf(both)).code).toBe("credential_ambiguous");
  });
});
