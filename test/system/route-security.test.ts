import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import { formatApiKey } from "../../src/core/auth/rules/api-key.ts";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, problemOf } from "../support/http.ts";
import { type IdentityProvider, startIdentityProvider } from "../support/identity-provider.ts";
import { OPEN_POLICY, prepareRoute } from "../support/prepare-route.ts";
import { ROUTES, type Route, requestTo } from "../support/route-table.ts";

let harness: TestGateway;
let key: string;
let otherKey: string;
let suspendedKey: string;
let expiredKey: string;
let idp: IdentityProvider;

/** Keys expire at a whole second. */
const KEY_LIFETIME_MS = 2_000;

beforeAll(async () => {
  harness = await startTestGateway({ REGISTRY_CACHE_SECONDS: "1" });
  key = await harness.tenant("acme", { policy: OPEN_POLICY });
  otherKey = await harness.tenant("other");
  suspendedKey = await harness.tenant("sleepy");
  await harness.operator("PUT", "/tenants/sleepy", { suspended: true });
  const expiresAt = Date.now() + KEY_LIFETIME_MS;
  const settings = { name: "old", expiresAt: new Date(expiresAt).toISOString() };
  expiredKey = (await harness.operator("POST", "/tenants/acme/keys", settings))["key"] ?? "";
  idp = await startIdentityProvider();
  const issuer = { audiences: ["sluice"], keys: { jwksUrl: idp.jwksUrl } };
  await harness.operator("PUT", "/issuers/operator", {
    ...issuer,
    issuer: "https://idp.example/",
    tenant: { claim: "org" },
    scopes: ["uploads:create", "grants:create"],
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
  await setTimeout(expiresAt - Date.now());
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

const existing = (route: Route) => prepareRoute(harness, route, "acme", key);

const BAD_JWTS: [string, () => Promise<string>, string][] = [
  ["for another audience", () => idp.sign({ aud: "someone-else" }), "credential_wrong_audience"],
  ["of an unknown issuer", () => idp.sign({ iss: "https://evil.example/" }), "credential_unknown_issuer"],
  ["that has expired", () => idp.sign({ exp: 1_000 }), "credential_expired"],
  ["that is not valid yet", () => idp.sign({ nbf: 9_999_999_999 }), "credential_not_yet_valid"],
  ["that never expires", () => idp.sign({ exp: undefined }), "credential_rejected"],
  ["whose audience is a number", () => idp.sign({ aud: 5 }), "credential_wrong_audience"],
  ["whose issuer is an object", () => idp.sign({ iss: {} }), "credential_invalid"],
  ["without a subject", () => idp.sign({ sub: undefined }), "credential_rejected"],
  ["whose subject is an object", () => idp.sign({ sub: {} }), "credential_rejected"],
  ["that names no tenant", () => idp.sign({ org: undefined }), "credential_rejected"],
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

  it("accepts a key of the tenant", async () => {
    expect((await call(route, "acme", bearer(key), await existing(route))).status).toBe(route.success);
  });

  it("requires a credential", async () => {
    expect(await refusal("acme", {})).toEqual([401, "credential_missing", 'Bearer realm="sluice"']);
  });

  it.each([
    ["another scheme", "Basic YTpi"],
    ["nothing after Bearer", "Bearer "],
    ["two credentials", "Bearer a b"],
    ["an unknown format", "Bearer junk"],
    ["a key with a wrong checksum", `Bearer slu_${"a".repeat(16)}_${"b".repeat(49)}`],
    ["a valid key that was never created", `Bearer ${formatApiKey("a".repeat(16), "b".repeat(43)).text}`],
    ["a malformed JWT", "Bearer a.b.c"],
  ])("rejects %s", async (_, authorization) => {
    expect(await refusal("acme", { Authorization: authorization })).toEqual([401, "credential_invalid", invalid]);
  });

  it("accepts a key as X-API-Key, and rejects anything else there", async () => {
    expect((await call(route, "acme", { "X-API-Key": key }, await existing(route))).status).toBe(route.success);
    for (const other of ["", "junk", `Bearer ${key}`, await idp.sign({})])
      expect(await refusal("acme", { "X-API-Key": other })).toEqual([401, "credential_invalid", invalid]);
    expect(await refusal("acme", { ...bearer(key), "X-API-Key": key })).toEqual([400, "credential_ambiguous", null]);
  });

  it("rejects a key with another secret", async () => {
    const [, id = ""] = key.split("_");
    const forged = formatApiKey(id, "x".repeat(43)).text;
    expect(await refusal("acme", bearer(forged))).toEqual([401, "credential_invalid", invalid]);
  });

  it("rejects a credential that is too large", async () => {
    expect(await refusal("acme", bearer("a".repeat(8_193)))).toEqual([401, "credential_too_large", invalid]);
  });

  it.each(BAD_JWTS)("rejects a JWT %s", async (_, sign, code) => {
    expect(await refusal("acme", bearer(await sign()))).toEqual([401, code, invalid]);
  });

  it("rejects another tenant's credential, whether the tenant exists or not", async () => {
    const mismatch = [403, "tenant_mismatch", 'Bearer realm="sluice", error="insufficient_scope"'];
    for (const credential of [otherKey, await idp.sign({ org: "other" })])
      for (const tenant of ["acme", "nobody", "NOT-A-TENANT"])
        expect(await refusal(tenant, bearer(credential))).toEqual(mismatch);
  });

  it("rejects a suspended tenant", async () => {
    expect(await refusal("sleepy", bearer(suspendedKey))).toEqual([403, "tenant_suspended", null]);
  });

  it("requires its scope", async () => {
    const scopes = SCOPES.filter((scope) => scope !== route.scope);
    const narrow = await harness.operator("POST", "/tenants/acme/keys", { name: "narrow", scopes });
    expect(await refusal("acme", bearer(narrow["key"] ?? ""))).toEqual([
      403,
      "scope_missing",
      `Bearer realm="sluice", error="insufficient_scope", scope="${route.scope}"`,
    ]);
  });

  it("rejects a revoked key as soon as it is revoked", async () => {
    const made = await harness.operator("POST", "/tenants/acme/keys", { name: "short-lived" });
    expect((await call(route, "acme", bearer(made["key"] ?? ""), await existing(route))).status).toBe(route.success);
    await harness.operator("DELETE", `/tenants/acme/keys/${made["id"]}`);
    expect(await refusal("acme", bearer(made["key"] ?? ""))).toEqual([401, "credential_revoked", invalid]);
  });

  it("rejects an expired key", async () => {
    expect(await refusal("acme", bearer(expiredKey))).toEqual([401, "credential_expired", invalid]);
  });
});
