import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { asOperator, codeOf, seedTenant } from "../support/worker.ts";

const json = async (answer: Promise<Response>) => (await answer).json<Record<string, unknown>>();
const put = (id: string, document: object) => asOperator("PUT", `/issuers/${id}`, document);

const SECRET = "s".repeat(32);
const ISSUER = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { claim: "org" },
};
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB", kid: "k1" };
const DEFAULTS = { subject: { claim: "sub" }, scopes: ["uploads:create"], maxGrantSeconds: 3_600 };
const HEADER = { header: "cf-access-jwt-assertion" };

describe("issuers of the admin API", () => {
  it.each<[string, object, object]>([
    ["by URL", {}, {}],
    ["on loopback, in development", { keys: { jwksUrl: "http://127.0.0.1:9/jwks" } }, {}],
    ["by discovery", { keys: { discovery: true } }, {}],
    ["by keys", { keys: { jwks: { keys: [RSA_KEY] } } }, {}],
    ["by a secret", { keys: { secrets: [SECRET] } }, { keys: { secrets: 1 } }],
    ["by two secrets", { keys: { secrets: [SECRET, `${SECRET}2`] } }, { keys: { secrets: 2 } }],
    ["for one tenant", { tenant: { fixed: "acme" } }, {}],
    ["with a map and slugs", { tenant: { claim: "o", map: { A: "acme" }, transform: "slug" } }, {}],
    ["with longer grants", { maxGrantSeconds: 86_400 }, {}],
    ["with scopes", { scopes: ["policy:read"], subject: { claim: ["uid", "sub"] } }, {}],
    ["with scopes from a claim", { scopes: { claim: "permissions", map: { w: ["uploads:create"] } } }, {}],
    [
      "with parties and required claims",
      { authorizedParties: ["web"], require: { amr: ["mfa"], v: 1 }, ...HEADER },
      {},
    ],
  ])("creates, replaces, reads, lists and deletes an issuer %s", async (_, change, shown) => {
    await seedTenant("acme");
    const created = await put("idp", { ...ISSUER, ...change });
    expect(created.status).toBe(201);
    const { warnings, ...document } = await created.json<Record<string, unknown>>();
    expect(warnings).toEqual([]);
    expect(document).toEqual({ ...DEFAULTS, ...ISSUER, ...change, id: "idp", ...shown });
    expect(JSON.stringify(document)).not.toContain("ssss");
    expect(JSON.stringify(await env.DB.prepare("SELECT * FROM issuers").all())).not.toContain("ssss");
    expect(JSON.stringify(await json(asOperator("GET", "/audit")))).not.toContain("ssss");
    expect(await json(asOperator("GET", "/issuers/idp"))).toEqual({ ...document, warnings });
    expect(await json(asOperator("GET", "/issuers"))).toMatchObject({ issuers: [document] });
    expect((await put("idp", ISSUER)).status).toBe(200);
    expect((await asOperator("DELETE", "/issuers/idp")).status).toBe(204);
    expect((await asOperator("DELETE", "/issuers/idp")).status).toBe(404);
  });

  it.each<[place: string, keys: unknown]>([
    ["keys", SECRET],
    ["keys.secrets", { secrets: SECRET }],
    ["keys.secrets.0", { secrets: [[SECRET]] }],
    ["keys.secrets.0", { secrets: [SECRET.slice(1)] }],
    ["keys.secrets", { secrets: [SECRET, SECRET, SECRET] }],
    ["keys.secret", { secret: SECRET }],
    ["keys.jwks", { jwks: SECRET }],
    ["keys.jwks.keys.0", { jwks: { keys: [{ kty: "oct", k: SECRET }] } }],
  ])("does not repeat a secret in a refusal of %s", async (key, keys) => {
    const refused = await put("idp", { ...ISSUER, keys });
    expect(refused.status).toBe(400);
    const text = await refused.text();
    expect(JSON.parse(text)).toMatchObject({ code: "body_invalid", key });
    expect(text).not.toContain("ssss");
  });

  it("records the document in the audit log", async () => {
    await put("idp", { ...ISSUER, keys: { secrets: [SECRET] }, require: { email_verified: true } });
    const { entries } = await (await asOperator("GET", "/audit")).json<{ entries: { details: object }[] }>();
    expect(entries[0]?.details).toEqual({
      ...DEFAULTS,
      ...ISSUER,
      keys: { secrets: 1 },
      require: { email_verified: true },
    });
  });

  it("keeps only the members of a key that verification needs", async () => {
    const key = { ...RSA_KEY, issuer: "https://login.example/{tenantid}/v2.0" };
    const { keys } = await json(
      put("idp", { ...ISSUER, keys: { jwks: { keys: [{ ...key, x5c: ["MIIC"], any: {} }] } } }),
    );
    expect(keys).toEqual({ jwks: { keys: [key] } });
  });

  it("rejects private keys", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const withKey = async (key: CryptoKey) =>
      put("idp", { ...ISSUER, keys: { jwks: { keys: [await exportJWK(key)] } } });
    expect(await codeOf(withKey(privateKey))).toBe("body_invalid");
    expect((await withKey(publicKey)).status).toBe(201);
  });

  it("names the field at fault", async () => {
    const refused = await json(put("idp", { ...ISSUER, keys: { jwksUrl: "https://user:password@idp.example/jwks" } }));
    expect(refused).toMatchObject({ code: "body_invalid", key: "keys.jwksUrl" });
    expect(await json(put("idp", { ...ISSUER, audiences: undefined }))).toMatchObject({ key: "audiences" });
  });

  it.each<[object, string]>([
    // The fields of version 0.1: what is unknown explains what is missing.
    [
      { issuer: ISSUER.issuer, audience: "x", secret: SECRET, tenant: "acme" },
      'audience: unknown field (nearest: "audiences")',
    ],
    [{ ...ISSUER, tenant: undefined, tenantClaim: "org" }, 'tenantClaim: unknown field (nearest: "tenant")'],
    [{ ...ISSUER, keys: { secrets: 1 } }, "keys.secrets: must be sent again, as a list: they are stored sealed"],
    [{ ...ISSUER, scopes: ["upload:create"] }, '"uploads:copy") but received "upload:create"'],
    [{ ...ISSUER, algorithms: ["rs256"] }, '"HS512") but received "rs256"'],
    [{ ...ISSUER, issuer: "http://idp.example/", keys: { discovery: true } }, "for keys by discovery"],
  ])("says what to do about %j", async (document, detail) => {
    expect(await json(put("idp", document))).toMatchObject({ detail: expect.stringContaining(detail) as string });
  });

  it("rejects a tenant and a plan that do not exist", async () => {
    expect(await json(put("idp", { ...ISSUER, tenant: { fixed: "nobody" } }))).toMatchObject({
      code: "body_invalid",
      key: "tenant.fixed",
    });
    const provisioning = { ...ISSUER, provision: { plan: "free" } };
    expect(await json(put("idp", provisioning))).toMatchObject({ code: "body_invalid", key: "provision.plan" });
  });

  it("answers with warnings", async () => {
    const risky = { ...ISSUER, audiences: undefined, anyAudience: true, tenant: { claim: "/user_metadata/tenant" } };
    const warnings = [{ code: "claim_written_by_users", pointer: "/tenant/claim" }, { code: "any_audience" }];
    expect(await json(put("idp", risky))).toMatchObject({ warnings });
    expect(await json(asOperator("GET", "/issuers/idp"))).toMatchObject({ warnings });
  });
});

describe("ids and namespaces of issuers", () => {
  const named = (namespace?: string) => ({ ...ISSUER, subject: namespace === undefined ? {} : { namespace } });

  it("never have the id tenant, and may have the namespace tenant", async () => {
    expect(await json(put("tenant", ISSUER))).toMatchObject({ code: "bad_request", key: "id" });
    expect((await put("idp", named("tenant"))).status).toBe(201);
    expect((await put("other", named("tenant"))).status).toBe(201);
  });

  it.each<[string, [string, string?][], string, string?]>([
    ["the id of an issuer that names none", [["a"]], "b", "a"],
    ["the id of an issuer that names another", [["a", "people"]], "b", "a"],
    ["as another's namespace the id of the new issuer, which names none", [["a", "b"]], "b"],
    ["as another's namespace the id of the new issuer, which names another", [["a", "b"]], "b", "people"],
  ])("are not shared without the other's consent: %s", async (_, before, id, namespace) => {
    for (const [other, name] of before) expect((await put(other, named(name))).status).toBe(201);
    expect(await json(put(id, named(namespace)))).toMatchObject({ code: "conflict", key: "subject.namespace" });
    expect((await asOperator("GET", `/issuers/${id}`)).status).toBe(404);
  });

  it.each<[string, [string, string?][], string, string?]>([
    ["both name the id of one of them", [["a", "a"]], "b", "a"],
    ["both name the id of the new one", [["a", "b"]], "b", "b"],
    ["both name a third name", [["a", "people"]], "b", "people"],
  ])("are shared if %s", async (_, before, id, namespace) => {
    for (const [other, name] of before) expect((await put(other, named(name))).status).toBe(201);
    expect((await put(id, named(namespace))).status).toBe(201);
  });

  it("keep the stored document when a change is refused", async () => {
    await put("a", named("a"));
    await put("b", named("a"));
    expect(await codeOf(put("a", named()))).toBe("conflict");
    expect(await codeOf(put("a", named("people")))).toBe("conflict");
    expect(await json(asOperator("GET", "/issuers/a"))).toMatchObject({ subject: { namespace: "a" } });
  });

  it("are never both granted to concurrent calls", async () => {
    const statuses = await Promise.all([put("a", named("b")), put("b", named())]);
    expect(statuses.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([201, 409]);
  });
});
