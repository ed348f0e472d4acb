import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const UPSTREAM = { accountId: "account", apiToken: "stream-token" };
const ISSUER = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { claim: "org" },
};
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB", kid: "k1" };
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

const issuerWith = (change: object) => ({ ...ISSUER, ...change });
const keysOf = (...keys: unknown[]) => issuerWith({ keys: { jwks: { keys } } });

describe("the body of an admin request", () => {
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
    ["PUT", "/issuers/x", "audiences.0", issuerWith({ audiences: ["x".repeat(501)] })],
    ["PUT", "/issuers/x", "algorithms.0", issuerWith({ algorithms: ["none"] })],
    ["PUT", "/issuers/x", "algorithms", issuerWith({ algorithms: ["HS256"] })],
    ["PUT", "/issuers/x", "algorithms", issuerWith({ algorithms: ["RS256", "RS256"] })],
    ["PUT", "/issuers/x", "keys.jwksUrl", issuerWith({ keys: { jwksUrl: "http://idp.example/jwks" } })],
    [
      "PUT",
      "/issuers/x",
      "keys.jwksUrl",
      issuerWith({ keys: { jwksUrl: `https://idp.example/${"x".repeat(1_000)}` } }),
    ],
    ["PUT", "/issuers/x", "keys.jwksUrl", issuerWith({ keys: { jwksUrl: "file:///etc/passwd" } })],
    ["PUT", "/issuers/x", "keys.secrets.0", issuerWith({ keys: { secrets: ["s".repeat(31)] } })],
    ["PUT", "/issuers/x", "keys", issuerWith({ keys: { ...ISSUER.keys, secrets: ["s".repeat(32)] } })],
    ["PUT", "/issuers/x", "algorithms", issuerWith({ keys: { secrets: ["s".repeat(32)] }, algorithms: ["RS256"] })],
    ["PUT", "/issuers/x", "keys", issuerWith({ keys: undefined })],
    ["PUT", "/issuers/x", "tenant", issuerWith({ tenant: undefined })],
    ["PUT", "/issuers/x", "tenant", issuerWith({ tenant: { claim: "org", fixed: "t" } })],
    ["PUT", "/issuers/x", "tenant.fixed", issuerWith({ tenant: { fixed: "nobody" } })],
    ["PUT", "/issuers/x", "maxGrantSeconds", issuerWith({ maxGrantSeconds: 9 })],
    ["PUT", "/issuers/x", "maxGrantSeconds", issuerWith({ maxGrantSeconds: 86_401 })],
    ["PUT", "/issuers/x", "maxGrantSeconds", issuerWith({ maxGrantSeconds: "60" })],
    ["PUT", "/issuers/x", "keys.jwks.keys", keysOf()],
    ["PUT", "/issuers/x", "keys.jwks.keys.0", keysOf("key")],
    ["PUT", "/issuers/x", "keys.jwks.keys.0", keysOf({ ...RSA_KEY, d: "AQAB" })],
    ["PUT", "/issuers/x", "keys.jwks.keys.1", keysOf(RSA_KEY, { ...RSA_KEY, p: "AQAB", q: "AQAB" })],
    ["PUT", "/issuers/x", "keys.jwks.keys.0", keysOf({ kty: "oct", k: "AQAB" })],
    ["PUT", "/issuers/x", "keys.jwks.keys.0.n", keysOf({ kty: "RSA", e: "AQAB" })],
    ["PUT", "/issuers/x", "keys.jwks.keys.0.kty", keysOf({ kty: "OCTOPUS" })],
    [
      "PUT",
      "/issuers/x",
      "keys.jwks.keys.0.n",
      `{"issuer":"i","audiences":["a"],"tenant":{"claim":"t"},"keys":{"jwks":{"keys":[{"kty":"RSA","e":"AQAB","n":${nested(25_000)}}]}}}`,
    ],
  ])("rejects %s %s with the key %s: %j", async (method, path, key, body) => {
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
  ])("is rejected with the content type %j", async (type) => {
    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, ...(type && { "Content-Type": type }) };
    const answer = await request("PUT", "/admin/v1/tenants/x", { headers, body: new TextEncoder().encode("{}") });
    expect([answer.status, await codeOf(answer)]).toEqual([400, "body_invalid"]);
  });

  it("is rejected if it is not UTF-8", async () => {
    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
    const body = new Uint8Array([...new TextEncoder().encode('{"name":"'), 0xff, ...new TextEncoder().encode('"}')]);
    expect(await codeOf(request("PUT", "/admin/v1/tenants/x", { headers, body }))).toBe("body_invalid");
  });

  it("is not read past 64 KiB, with and without a Content-Length", async () => {
    const text = JSON.stringify({ name: "x".repeat(64 * 1024) });
    const declared = await asOperator("PUT", "/tenants/x", text);
    expect([declared.status, await codeOf(declared)]).toEqual([413, "body_too_large"]);

    const headers = { Authorization: `Bearer ${env.OPERATOR_TOKEN}`, "Content-Type": "application/json" };
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(32)),
    });
    const undeclared = await request("PUT", "/admin/v1/tenants/x", { headers, body: endless });
    expect([undeclared.status, await codeOf(undeclared)]).toEqual([413, "body_too_large"]);
  });
});

const PRIVATE_HOSTS = [
  "169.254.169.254",
  "10.0.0.1",
  "0x7f.1",
  "1.1.1.1",
  "[::ffff:10.0.0.1]",
  "localhost",
  "localhost.",
  "metadata",
  "api.default.svc",
  "vault.service.consul",
  "db.cluster.local",
  "nas.home.arpa",
  "abc.onion",
  "api.acme.com.",
];

describe("a URL of an admin request", () => {
  it.each(PRIVATE_HOSTS)("is rejected for the host %s, whatever it is for", async (host) => {
    await seedTenant("t");
    const url = `https://${host}/`;
    // Loopback is allowed in the tests.
    const loopback = ["0x7f.1", "localhost"].includes(host);
    const put = async (path: string, body: object) => {
      const { status } = await asOperator("PUT", path, body);
      return status;
    };
    expect(await put("/tenants/t/endpoints/e", { url })).toBe(loopback ? 201 : 400);
    expect(await put("/issuers/x", issuerWith({ keys: { jwksUrl: url } }))).toBe(loopback ? 201 : 400);
    expect(await put("/upstreams/x?check=false", { ...UPSTREAM, apiBase: url })).toBe(loopback ? 201 : 400);
    expect(await put("/upstreams/x?check=false", { ...UPSTREAM, uploadHosts: [host] })).toBe(
      host === "localhost" ? 200 : 400,
    );
    if (!loopback) expect(await put("/upstreams/x/webhook", { gateway: url })).toBe(400);
  });
});

describe("the path of an admin request", () => {
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
  ])("%s %s returns %i", async (method, path, status) => {
    const answer = await asOperator(method, path, method === "GET" || method === "DELETE" ? undefined : {});
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.has("allow")).toBe(status === 405);
  });
});

describe("lists of the admin API", () => {
  it("return all documents in pages, ordered by id", async () => {
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
  ])("reject ?%s", async (query) => {
    expect(await codeOf(asOperator("GET", `/tenants?${query}`))).toBe("bad_request");
  });
});

describe("the admin API without its database", () => {
  it("returns 503 registry_unavailable", async () => {
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
});
