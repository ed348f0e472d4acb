import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { parseApiKey } from "../../../src/core/auth/rules/api-key.ts";
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
  audience: "sluice",
  jwksUrl: "https://idp.example/jwks",
  tenantClaim: "org",
};
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB", kid: "k1" };
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("a tenant", () => {
  it("is created, replaced as a whole, read and deleted", async () => {
    const created = await asOperator("PUT", "/tenants/acme", TENANT);
    expect(created.status).toBe(201);
    expect(created.headers.get("cache-control")).toBe("no-store");
    const document = await created.json<Record<string, string>>();
    expect(document).toMatchObject({ id: "acme", ...TENANT });
    expect(document["createdAt"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await json(asOperator("GET", "/tenants/acme"))).toEqual(document);

    const replaced = await asOperator("PUT", "/tenants/acme", {});
    expect(replaced.status).toBe(200);
    const bare = { policy: {}, limits: {}, upstream: "default", suspended: false };
    expect(await replaced.json()).toMatchObject({ id: "acme", ...bare, createdAt: document["createdAt"] });
    expect(await json(asOperator("GET", "/tenants/acme"))).not.toHaveProperty("name");

    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(204);
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);
    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(404);
  });

  it("takes its keys and the issuers that speak for it with it, and no others", async () => {
    await seedTenant("acme");
    await seedTenant("other");
    const { tenantClaim: _, ...issuer } = ISSUER;
    await asOperator("PUT", "/issuers/of-acme", { ...issuer, tenant: "acme" });
    await asOperator("PUT", "/issuers/of-other", { ...issuer, tenant: "other" });
    await asOperator("PUT", "/issuers/of-all", ISSUER);
    expect((await asOperator("DELETE", "/tenants/acme")).status).toBe(204);
    const rows = async (sql: string) => (await env.DB.prepare(sql).all()).results;
    expect(await rows("SELECT tenant FROM api_keys")).toEqual([{ tenant: "other" }]);
    expect(await rows("SELECT id FROM issuers ORDER BY id")).toEqual([{ id: "of-all" }, { id: "of-other" }]);
  });

  it("has to be on an upstream that exists, and keeps that from being deleted", async () => {
    const refused = await asOperator("PUT", "/tenants/acme", { upstream: "eu" });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ code: "body_invalid", key: "upstream" });
    expect((await asOperator("GET", "/tenants/acme")).status).toBe(404);

    await asOperator("PUT", "/upstreams/eu", UPSTREAM);
    expect((await asOperator("PUT", "/tenants/acme", { upstream: "eu" })).status).toBe(201);
    const inUse = await asOperator("DELETE", "/upstreams/eu");
    expect([inUse.status, await codeOf(inUse)]).toEqual([409, "conflict"]);
    await asOperator("DELETE", "/tenants/acme");
    expect((await asOperator("DELETE", "/upstreams/eu")).status).toBe(204);
  });

  it("is suspended at once for the isolate that was told so", async () => {
    const key = await seedTenant("acme");
    const policy = () => request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect((await policy()).status).toBe(200);
    await asOperator("PUT", "/tenants/acme", { suspended: true });
    expect(await codeOf(policy())).toBe("tenant_suspended");
  });
});

describe("lists", () => {
  it("come in pages, in order and complete", async () => {
    const ids = ["a", "a-b", "b", "c", "d"];
    for (const id of ids) await asOperator("PUT", `/tenants/${id}`, {});
    const seen: string[] = [];
    let cursor = "";
    for (let pages = 0; pages < 10; pages++) {
      const page = await (
        await asOperator("GET", `/tenants?limit=2&cursor=${cursor}`)
      ).json<{
        tenants: { id: string }[];
        cursor?: string;
      }>();
      expect(page.tenants.length).toBeLessThanOrEqual(2);
      seen.push(...page.tenants.map(({ id }) => id));
      if (page.cursor === undefined) break;
      cursor = page.cursor;
    }
    expect(seen).toEqual(ids);
  });

  it("of keys too", async () => {
    await seedTenant("acme");
    await asOperator("POST", "/tenants/acme/keys", { name: "second" });
    const first = await json(asOperator("GET", "/tenants/acme/keys?limit=1"));
    const second = await json(asOperator("GET", `/tenants/acme/keys?limit=1&cursor=${String(first["cursor"])}`));
    const names = [first, second].flatMap(({ keys }) => (keys as { name: string }[]).map(({ name }) => name));
    expect(names.toSorted()).toEqual(["second", "test"]);
  });

  it.each([
    "limit=0",
    "limit=101",
    "limit=-1",
    "limit=1e1",
    "limit=",
    "limit=x",
    "cursor=%00",
    "cursor=%F0",
    "cursor=a'b",
  ])("refuse ?%s", async (query) => {
    expect(await codeOf(asOperator("GET", `/tenants?${query}`))).toBe("bad_request");
  });
});

describe("an API key", () => {
  it("is shown once, works, and is stored as a hash", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const made = await asOperator("POST", "/tenants/acme/keys", {
      name: "backend",
      expiresAt: "2099-01-01T01:00:00+01:00",
    });
    expect(made.status).toBe(201);
    const document = await made.json<{ id: string; key: string }>();
    expect(parseApiKey(document.key)).toEqual({ id: document.id, text: document.key });
    expect(document).toMatchObject({ name: "backend", expiresAt: "2099-01-01T00:00:00.000Z" });

    const listed = await (await asOperator("GET", "/tenants/acme/keys")).text();
    expect(listed).toContain(document.id);
    const stored = JSON.stringify((await env.DB.prepare("SELECT * FROM api_keys").all()).results);
    for (const text of [listed, stored]) expect(text).not.toContain(document.key.slice(21));

    const answer = await request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${document.key}` } });
    expect(answer.status).toBe(200);
  });

  it("is refused as soon as it has been revoked, which may be said twice", async () => {
    const key = await seedTenant("acme");
    const policy = () => request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect((await policy()).status).toBe(200);
    const path = `/tenants/acme/keys/${parseApiKey(key)?.id}`;
    expect((await asOperator("DELETE", path)).status).toBe(204);
    expect(await codeOf(policy())).toBe("credential_revoked");
    const [revoked] = (await json(asOperator("GET", "/tenants/acme/keys")))["keys"] as { revokedAt: string }[];
    expect((await asOperator("DELETE", path)).status).toBe(204);
    const [again] = (await json(asOperator("GET", "/tenants/acme/keys")))["keys"] as { revokedAt: string }[];
    expect(again?.revokedAt).toBe(revoked?.revokedAt);
  });

  it("is revoked by the tenant that it is of", async () => {
    const key = await seedTenant("acme");
    await seedTenant("other");
    expect((await asOperator("DELETE", `/tenants/other/keys/${parseApiKey(key)?.id}`)).status).toBe(404);
    expect((await asOperator("DELETE", "/tenants/acme/keys/0000000000000000")).status).toBe(404);
    const answer = await request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(200);
  });

  it("is not made for a tenant that is not there", async () => {
    expect(await codeOf(asOperator("POST", "/tenants/nobody/keys", { name: "k" }))).toBe("not_found");
    expect(await codeOf(asOperator("GET", "/tenants/nobody/keys"))).toBe("not_found");
  });
});

describe("an upstream", () => {
  it.each([
    ["stream-token", UPSTREAM],
    ["global-key", { accountId: "account", apiEmail: "ops@example.com", apiKey: "global-key" }],
  ])("never shows its credential again: %s", async (secret, document) => {
    const put = await asOperator("PUT", "/upstreams/eu", { ...document, apiBase: "https://api.example/v4//" });
    expect(put.status).toBe(201);
    expect((await asOperator("PUT", "/upstreams/eu", { ...document, apiBase: "https://api.example/v4" })).status).toBe(
      200,
    );
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

  it("is the environment's own where it is called default", async () => {
    expect(await codeOf(asOperator("PUT", "/upstreams/default", UPSTREAM))).toBe("conflict");
    expect(await codeOf(asOperator("DELETE", "/upstreams/default"))).toBe("conflict");
  });
});

describe("an issuer", () => {
  it.each<[string, object, object]>([
    ["by URL", {}, { algorithms: ["RS256", "PS256", "ES256", "EdDSA"], jwksUrl: ISSUER.jwksUrl, subjectClaim: "sub" }],
    ["on loopback, in development", { jwksUrl: "http://127.0.0.1:9/jwks" }, { jwksUrl: "http://127.0.0.1:9/jwks" }],
    ["by keys", { jwksUrl: undefined, jwks: { keys: [RSA_KEY] } }, { jwks: { keys: [RSA_KEY] } }],
    ["by secret", { jwksUrl: undefined, secret: "s".repeat(32) }, { algorithms: ["HS256"] }],
    ["for one tenant", { tenantClaim: undefined, tenant: "acme" }, { tenant: "acme" }],
    ["with scopes", { scopes: ["policy:read"], subjectClaim: "uid" }, { scopes: ["policy:read"], subjectClaim: "uid" }],
  ])("is configured %s", async (_, change, expected) => {
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

  it("keeps of its keys what verifying takes", async () => {
    const key = { ...RSA_KEY, x5c: ["MIIC"], anything: { deep: true } };
    const document = await json(
      asOperator("PUT", "/issuers/idp", { ...ISSUER, jwksUrl: undefined, jwks: { keys: [key] } }),
    );
    expect(document["jwks"]).toEqual({ keys: [RSA_KEY] });
  });
});

const issuerWith = (change: object) => ({ ...ISSUER, ...change });
const keysOf = (...keys: unknown[]) => issuerWith({ jwksUrl: undefined, jwks: { keys } });

describe("a body that is none", () => {
  it.each<[method: string, path: string, key: string | undefined, body: unknown]>([
    ["PUT", "/tenants/x", undefined, ""],
    ["PUT", "/tenants/x", undefined, "{"],
    ["PUT", "/tenants/x", undefined, "null"],
    ["PUT", "/tenants/x", undefined, "1e999"],
    ["PUT", "/tenants/x", undefined, '"{}"'],
    ["PUT", "/tenants/x", undefined, []],
    ["PUT", "/tenants/x", "__proto__", '{"__proto__":{"suspended":true}}'],
    ["PUT", "/tenants/x", "constructor", { constructor: 1 }],
    ["PUT", "/tenants/x", "plicy", { plicy: {} }],
    ["PUT", "/tenants/x", "name", { name: "" }],
    ["PUT", "/tenants/x", "name", { name: "x".repeat(201) }],
    ["PUT", "/tenants/x", "name", { name: "a\u0000b" }],
    ["PUT", "/tenants/x", "name", { name: "a\nb" }],
    ["PUT", "/tenants/x", "name", '{"name":"\\ud800"}'],
    ["PUT", "/tenants/x", "name", { name: null }],
    ["PUT", "/tenants/x", "policy", { policy: null }],
    ["PUT", "/tenants/x", "policy.upload.maxBytes", { policy: { upload: { maxBytes: 1e300 } } }],
    ["PUT", "/tenants/x", "policy.metadata.__proto__", '{"policy":{"metadata":{"__proto__":{"force":"x"}}}}'],
    ["PUT", "/tenants/x", "policy", `{"policy":${nested(30_000)}}`],
    ["PUT", "/tenants/x", "limits.pending", '{"limits":{"pending":1e999}}'],
    ["PUT", "/tenants/x", "limits.pending", { limits: { pending: 1.5 } }],
    ["PUT", "/tenants/x", "limits.pending", { limits: { pending: "3" } }],
    ["PUT", "/tenants/x", "limits.quota.year", { limits: { quota: { year: {} } } }],
    ["PUT", "/tenants/x", "upstream", { upstream: "EU" }],
    ["PUT", "/tenants/x", "suspended", { suspended: "false" }],
    ["PUT", "/tenants/x", "unfinishedUploads", { unfinishedUploads: "burn" }],
    ["POST", "/tenants/t/keys", "name", {}],
    ["POST", "/tenants/t/keys", "scopes", { name: "k", scopes: [] }],
    ["POST", "/tenants/t/keys", "scopes.0", { name: "k", scopes: ["all"] }],
    ["POST", "/tenants/t/keys", "scopes", { name: "k", scopes: ["policy:read", "policy:read"] }],
    ["POST", "/tenants/t/keys", "expiresAt", { name: "k", expiresAt: "2099-02-31T00:00:00Z" }],
    ["POST", "/tenants/t/keys", "expiresAt", { name: "k", expiresAt: "9999-12-31T23:59:59-23:59" }],
    ["POST", "/tenants/t/keys", "expiresAt", { name: "k", expiresAt: 4_070_908_800 }],
    ["POST", "/tenants/t/keys", "expiresAt", { name: "k", expiresAt: "tomorrow" }],
    ["PUT", "/upstreams/x", "accountId", { apiToken: "t" }],
    ["PUT", "/upstreams/x", "accountId", { ...UPSTREAM, accountId: "../zones" }],
    ["PUT", "/upstreams/x", undefined, { accountId: "a" }],
    ["PUT", "/upstreams/x", undefined, { ...UPSTREAM, apiEmail: "e", apiKey: "k" }],
    ["PUT", "/upstreams/x", undefined, { accountId: "a", apiEmail: "e" }],
    ["PUT", "/upstreams/x", "apiToken", { accountId: "a", apiToken: "a\r\nX-Evil: 1" }],
    ["PUT", "/upstreams/x", "apiBase", { ...UPSTREAM, apiBase: "http://api.example" }],
    ["PUT", "/upstreams/x", "apiBase", { ...UPSTREAM, apiBase: "https://user:pass@api.example" }],
    ["PUT", "/upstreams/x", "apiBase", { ...UPSTREAM, apiBase: "https://api.example/?x=" }],
    ["PUT", "/upstreams/x", "apiBase", { ...UPSTREAM, apiBase: "https://api.example/#" }],
    ["PUT", "/upstreams/x", "apiBase", { ...UPSTREAM, apiBase: " https://api.exam\tple" }],
    ["PUT", "/upstreams/x", "uploadHosts", { ...UPSTREAM, uploadHosts: [] }],
    ["PUT", "/upstreams/x", "uploadHosts.0", { ...UPSTREAM, uploadHosts: ["https://up.example"] }],
    ["PUT", "/upstreams/x", "uploadHosts.1", { ...UPSTREAM, uploadHosts: ["up.example", "up.example:99999"] }],
    ["PUT", "/upstreams/x", "uploadHosts.0", { ...UPSTREAM, uploadHosts: ["up.example:443"] }],
    ["PUT", "/issuers/x", "issuer", issuerWith({ issuer: "" })],
    ["PUT", "/issuers/x", "issuer", JSON.stringify(ISSUER).replace("https://idp.example/", "\\ud800")],
    ["PUT", "/issuers/x", "audience", issuerWith({ audience: "x".repeat(501) })],
    ["PUT", "/issuers/x", "algorithms.0", issuerWith({ algorithms: ["none"] })],
    ["PUT", "/issuers/x", "algorithms.0", issuerWith({ algorithms: ["HS256"] })],
    ["PUT", "/issuers/x", "algorithms", issuerWith({ algorithms: ["RS256", "RS256"] })],
    ["PUT", "/issuers/x", "jwksUrl", issuerWith({ jwksUrl: "http://idp.example/jwks" })],
    ["PUT", "/issuers/x", "jwksUrl", issuerWith({ jwksUrl: `https://idp.example/${"x".repeat(1_000)}` })],
    ["PUT", "/issuers/x", "jwksUrl", issuerWith({ jwksUrl: "file:///etc/passwd" })],
    ["PUT", "/issuers/x", "secret", issuerWith({ jwksUrl: undefined, secret: "s".repeat(31) })],
    ["PUT", "/issuers/x", undefined, issuerWith({ secret: "s".repeat(32) })],
    ["PUT", "/issuers/x", undefined, issuerWith({ jwksUrl: undefined, secret: "s".repeat(32), algorithms: ["RS256"] })],
    ["PUT", "/issuers/x", undefined, issuerWith({ jwksUrl: undefined })],
    ["PUT", "/issuers/x", undefined, issuerWith({ tenantClaim: undefined })],
    ["PUT", "/issuers/x", undefined, issuerWith({ tenant: "t" })],
    ["PUT", "/issuers/x", "tenant", issuerWith({ tenantClaim: undefined, tenant: "nobody" })],
    ["PUT", "/issuers/x", "jwks.keys", keysOf()],
    ["PUT", "/issuers/x", "jwks.keys.0", keysOf("key")],
    ["PUT", "/issuers/x", "jwks.keys.0", keysOf({ ...RSA_KEY, d: "AQAB" })],
    ["PUT", "/issuers/x", "jwks.keys.1", keysOf(RSA_KEY, { ...RSA_KEY, p: "AQAB", q: "AQAB" })],
    ["PUT", "/issuers/x", "jwks.keys.0", keysOf({ kty: "oct", k: "AQAB" })],
    ["PUT", "/issuers/x", "jwks.keys.0.n", keysOf({ kty: "RSA", e: "AQAB" })],
    ["PUT", "/issuers/x", "jwks.keys.0.kty", keysOf({ kty: "OCTOPUS" })],
    [
      "PUT",
      "/issuers/x",
      "jwks.keys.0.n",
      `{"issuer":"i","audience":"a","tenantClaim":"t","jwks":{"keys":[{"kty":"RSA","e":"AQAB","n":${nested(25_000)}}]}}`,
    ],
  ])("%s %s is refused for %s: %j", async (method, path, key, body) => {
    await seedTenant("t");
    const answer = await asOperator(method, path, body);
    const problem = await answer.json<{ code: string; key?: string }>();
    expect([answer.status, problem.code, problem.key]).toEqual([400, "body_invalid", key]);
    expect((await asOperator("GET", path)).status).toBe(method === "PUT" ? 404 : 200);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "",
  ])("is refused as %j", async (type) => {
    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, ...(type && { "Content-Type": type }) };
    const answer = await request("PUT", "/admin/v1/tenants/x", { headers, body: new TextEncoder().encode("{}") });
    expect([answer.status, await codeOf(answer)]).toEqual([400, "body_invalid"]);
  });

  it("is refused where it is not UTF-8", async () => {
    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
    const body = new Uint8Array([...new TextEncoder().encode('{"name":"'), 0xff, ...new TextEncoder().encode('"}')]);
    expect(await codeOf(request("PUT", "/admin/v1/tenants/x", { headers, body }))).toBe("body_invalid");
  });

  it("is not read beyond 64 KiB, whether it says its length or not", async () => {
    const text = JSON.stringify({ name: "x".repeat(64 * 1024) });
    const said = await asOperator("PUT", "/tenants/x", text);
    expect([said.status, await codeOf(said)]).toEqual([413, "body_too_large"]);

    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_024).fill(32)) });
    const unsaid = await request("PUT", "/admin/v1/tenants/x", { headers, body: endless });
    expect([unsaid.status, await codeOf(unsaid)]).toEqual([413, "body_too_large"]);
  });
});

describe("a path that is none", () => {
  it.each([
    ["GET", "/tenants/nobody/events", 404],
    ["GET", "/tenants/nobody", 404],
    ["DELETE", "/tenants/nobody", 404],
    ["GET", "/issuers/nobody", 404],
    ["DELETE", "/issuers/%00%ff", 404],
    ["GET", "/upstreams/nobody", 404],
    ["DELETE", "/upstreams/nobody", 404],
    ["DELETE", "/tenants/t/keys/%F0%9F", 404],
    ["GET", "/tenants/%ED%A0%80", 400],
    ["PUT", "/tenants/Acme", 400],
    ["PUT", `/tenants/${"a".repeat(33)}`, 400],
    ["POST", "/tenants", 405],
    ["PATCH", "/tenants/acme", 405],
    ["PUT", "/tenants/acme/keys", 405],
    ["GET", "/tenants/acme/keys/k", 405],
    ["POST", "/issuers", 405],
    ["POST", "/upstreams/eu", 405],
    ["GET", "/nothing", 404],
  ])("%s %s is answered with %i", async (method, path, status) => {
    const answer = await asOperator(method, path, method === "GET" || method === "DELETE" ? undefined : {});
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.has("allow")).toBe(status === 405);
  });
});

it("says that the registry is not available where the database fails", async () => {
  await env.DB.exec("ALTER TABLE tenants RENAME TO elsewhere");
  for (const [method, path] of [
    ["GET", "/tenants"],
    ["GET", "/tenants/a"],
    ["PUT", "/tenants/a"],
    ["DELETE", "/tenants/a"],
  ] as const) {
    const answer = await asOperator(method, path, method === "PUT" ? {} : undefined);
    expect([answer.status, await codeOf(answer)]).toEqual([503, "registry_unavailable"]);
  }
});
