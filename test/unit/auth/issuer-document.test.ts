import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { issuerSchema } from "../../../src/core/auth/rules/issuer-document.ts";

const schema = issuerSchema(false);
const SECRET = "a-secret-of-32-bytes-for-the-test";
const RSA_KEY = { kty: "RSA", n: "AQAB", e: "AQAB" };
const JWKS = { jwksUrl: "https://idp.example/jwks" };
const BASE = { issuer: "https://idp.example/", audiences: ["api"], keys: JWKS, tenant: { fixed: "acme" } };
const CLAIM = { tenant: { claim: "org_id" } };
const TEMPLATE = {
  issuer: "https://idp.example/{tenant}/v2.0",
  issuerPart: "tid",
  tenant: { claim: "tid", map: { a: "acme" } },
};
const PROVISION = { ...CLAIM, provision: { plan: "free" } };
const entries = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, value]));

const parse = (change: object) => {
  const document: object = JSON.parse(JSON.stringify({ ...BASE, ...change }));
  const parsed = v.safeParse(schema, document);
  return parsed.success ? "accepted" : `${v.getDotPath(parsed.issues[0])}: ${parsed.issues[0].message}`;
};

describe("the document of an issuer", () => {
  it("has defaults", () => {
    expect(v.parse(schema, { ...BASE, ...PROVISION })).toEqual({
      ...BASE,
      tenant: { claim: "org_id" },
      subject: { claim: "sub" },
      scopes: ["uploads:create"],
      provision: { plan: "free", maxTenants: 1_000, maxPerMinute: 60 },
      maxGrantSeconds: 3_600,
    });
  });

  it.each<[string, object]>([
    ["authorized parties alone", { audiences: undefined, authorizedParties: ["web"] }],
    ["both audiences and authorized parties", { authorizedParties: ["web"] }],
    ["tokens without an audience", { audiences: undefined, anyAudience: true }],
    ["discovery", { keys: { discovery: true } }],
    [
      "inline keys, with and without kid, twice the same",
      { keys: { jwks: { keys: [RSA_KEY, RSA_KEY, { ...RSA_KEY, kid: "a" }] } } },
    ],
    ["one secret", { keys: { secrets: [SECRET] } }],
    ["two secrets", { keys: { secrets: [SECRET, `${SECRET}2`] }, algorithms: ["HS384"] }],
    [
      "any asymmetric algorithm",
      { algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] },
    ],
    ["a claim that is a URL", { tenant: { claim: "https://acme.example/tenant" } }],
    ["a claim with a colon", { tenant: { claim: "custom:tenant" } }],
    ["a JSON Pointer", { tenant: { claim: "/app_metadata/tenant" } }],
    ["a JSON Pointer with escapes", { tenant: { claim: "/~1a~0b" } }],
    ["a map and a slug", { tenant: { claim: "o", map: { org_2xA: "acme" }, transform: "slug" } }],
    [
      "a map whose keys are names of JavaScript",
      { tenant: { claim: "o", map: JSON.parse('{"__proto__":"acme","constructor":"acme"}') } },
    ],
    ["several claims for the subject", { subject: { claim: ["sub", "common_name"], namespace: "people" } }],
    ["the namespace of API keys", { subject: { namespace: "tenant" } }],
    ["scopes from a claim", { scopes: { claim: "scope" } }],
    ["scopes from a claim and a map", { scopes: { claim: "permissions", map: { "video.write": ["uploads:create"] } } }],
    ["required claims", { require: { email_verified: true, "/a/b": 5, amr: ["mfa", "otp"] } }],
    ["a part that varies, with a map", TEMPLATE],
    ["a part that varies, with provisioning", { ...TEMPLATE, ...PROVISION }],
    ["a name for provisioned tenants", { ...PROVISION, name: { claim: "org_name" } }],
    ["the header of Access", { header: "cf-access-jwt-assertion" }],
    ["the header of IAP", { header: "x-goog-iap-jwt-assertion" }],
  ])("accepts %s", (_, change) => {
    expect(parse(change)).toBe("accepted");
  });

  it("keeps keys of maps that are names of JavaScript", () => {
    const document: object = JSON.parse('{"tenant":{"claim":"o","map":{"__proto__":"acme","toString":"other"}}}');
    const { map } = v.parse(schema, { ...BASE, ...document }).tenant;
    expect(Object.entries(map ?? {})).toEqual([
      ["__proto__", "acme"],
      ["toString", "other"],
    ]);
  });

  it.each<[string, object, RegExp]>([
    ["the fields of 0.1", { audience: "api" }, /^audience: unknown field \(nearest: "audiences"\)/],
    ["no audience", { audiences: undefined }, /^audiences: is required/],
    ["an empty list of audiences", { audiences: [] }, /^audiences: /],
    ["21 audiences", { audiences: Array.from({ length: 21 }, () => "a") }, /^audiences: /],
    ["21 parties", { authorizedParties: Array.from({ length: 21 }, () => "a") }, /^authorizedParties: /],
    ["an audience of 501 characters", { audiences: ["a".repeat(501)] }, /^audiences.0: /],
    ["anyAudience with audiences", { anyAudience: true }, /^audiences: is required without/],
    [
      "anyAudience with parties",
      { audiences: undefined, authorizedParties: ["a"], anyAudience: true },
      /^audiences: is required/,
    ],
    ["no keys", { keys: {} }, /^keys: must have exactly one of discovery, jwksUrl, jwks, secrets/],
    ["two kinds of keys", { keys: { ...JWKS, discovery: true } }, /^keys: must have exactly one/],
    ["discovery that is off", { keys: { discovery: false } }, /^keys.discovery: /],
    [
      "a URL of keys that is not fetched",
      { keys: { jwksUrl: "https://10.0.0.1/" } },
      /^keys.jwksUrl: must be an https URL/,
    ],
    ["a short secret", { keys: { secrets: [SECRET, "short"] } }, /^keys.secrets.1: must have at least 32 bytes/],
    ["three secrets", { keys: { secrets: [SECRET, SECRET, SECRET] } }, /^keys.secrets: /],
    [
      "a private key",
      { keys: { jwks: { keys: [RSA_KEY, { ...RSA_KEY, d: "AQAB" }] } } },
      /^keys.jwks.keys.1: must be a public key/,
    ],
    ["a symmetric key", { keys: { jwks: { keys: [{ kty: "oct", k: "AQAB" }] } } }, /^keys.jwks.keys.0/],
    ["a symmetric algorithm with public keys", { algorithms: ["RS256", "HS256"] }, /^algorithms: HS256 does not fit/],
    [
      "an asymmetric algorithm with secrets",
      { keys: { secrets: [SECRET] }, algorithms: ["RS256"] },
      /^algorithms: RS256 does/,
    ],
    ["no algorithm", { algorithms: [] }, /^algorithms: /],
    ["the algorithm none", { algorithms: ["none"] }, /^algorithms.0: /],
    [
      "discovery at a name that is no URL",
      { issuer: "acme", keys: { discovery: true } },
      /^issuer: must be an https URL/,
    ],
    [
      "discovery at an address",
      { issuer: "https://10.0.0.1/", keys: { discovery: true } },
      /^issuer: must be an https URL/,
    ],
    [
      "discovery at a URL with a query",
      { issuer: "https://idp.example/?a", keys: { discovery: true } },
      /^issuer: must be an https/,
    ],
    ["two parts that vary", { ...TEMPLATE, issuer: "{tenant}{tenant}" }, /^issuer: must have \{tenant\} at most once/],
    [
      "a part that varies and discovery",
      { ...TEMPLATE, issuer: "https://a.example/{tenant}", keys: { discovery: true } },
      /^issuer: |^keys: /,
    ],
    ["a part that varies and a secret", { ...TEMPLATE, keys: { secrets: [SECRET] } }, /^keys: must be jwksUrl or jwks/],
    ["a part that varies without issuerPart", { ...TEMPLATE, issuerPart: undefined }, /^issuerPart: /],
    ["issuerPart without a part that varies", { issuerPart: "tid" }, /^issuerPart: /],
    [
      "a part that varies for one tenant",
      { ...TEMPLATE, tenant: { fixed: "acme" } },
      /^tenant: needs map, or provision/,
    ],
    ["a part that varies, without a map", { ...TEMPLATE, ...CLAIM }, /^tenant: needs map, or provision/],
    ["no tenant", { tenant: {} }, /^tenant: must have exactly one of claim, fixed/],
    ["two tenants", { tenant: { claim: "a", fixed: "acme" } }, /^tenant: must have exactly one of claim, fixed/],
    ["a map for one tenant", { tenant: { fixed: "acme", map: { a: "b" } } }, /^tenant: map and transform need a claim/],
    ["a fixed tenant that is no id", { tenant: { fixed: "Acme" } }, /^tenant.fixed: must match/],
    [
      "a mapped tenant that is no id",
      { tenant: { claim: "o", map: { a: "acme", b: "B" } } },
      /^tenant.map.b: must match/,
    ],
    ["an empty map", { tenant: { claim: "o", map: {} } }, /^tenant.map: must have 1 to 1000 entries/],
    [
      "a map of 1,001",
      { tenant: { claim: "o", map: entries(1_001, "acme") } },
      /^tenant.map: must have 1 to 1000 entries/,
    ],
    ["a map that is a list", { tenant: { claim: "o", map: ["acme"] } }, /^tenant.map: must be an object/],
    ["an empty claim", { tenant: { claim: "" } }, /^tenant.claim: must be 1 to 200 printable characters/],
    ["a JSON Pointer with a bad escape", { tenant: { claim: "/a~2" } }, /^tenant.claim: must have ~0/],
    ["a JSON Pointer that ends with ~", { subject: { claim: ["sub", "/a~"] } }, /^subject.claim.1: must have ~0/],
    ["no claim for the subject", { subject: { claim: [] } }, /^subject.claim: /],
    ["six claims for the subject", { subject: { claim: Array.from({ length: 6 }, () => "a") } }, /^subject.claim: /],
    ["a namespace that is no id", { subject: { namespace: "People" } }, /^subject.namespace: must match/],
    ["an unknown scope", { scopes: ["uploads:all"] }, /^scopes.0: /],
    ["an unknown scope of a map", { scopes: { claim: "p", map: { a: ["uploads:all"] } } }, /^scopes.map.a: /],
    ["no required claims", { require: {} }, /^require: must have 1 to 20 entries/],
    ["21 required claims", { require: entries(21, true) }, /^require: must have 1 to 20 entries/],
    [
      "a required claim that is an object",
      { require: { a: { b: 1 } } },
      /^require.a: must be text, a number, true or false/,
    ],
    ["a required claim that is null", { require: { a: null } }, /^require.a: must be text, a number, true or false/],
    ["a required claim of no values", { require: { a: [] } }, /^require.a: /],
    ["a required pointer with a bad escape", { require: { "/~": true } }, /^require.\/~: must have ~0/],
    ["provisioning of one tenant", { provision: { plan: "free" } }, /^provision: needs tenant.claim/],
    ["provisioning without a plan", { ...CLAIM, provision: {} }, /^provision.plan: /],
    ["provisioning of no tenants", { ...CLAIM, provision: { plan: "free", maxTenants: 0 } }, /^provision.maxTenants: /],
    ["a name without provisioning", { name: { claim: "org_name" } }, /^name: needs provision/],
    ["a header in capitals", { header: "Cf-Access-Jwt-Assertion" }, /^header: must be 1 to 64/],
    ["a longer life of grants", { maxGrantSeconds: 86_401 }, /^maxGrantSeconds: /],
  ])("refuses %s", (_, change, fault) => {
    expect(parse(change)).toMatch(fault);
  });

  it("refuses a required number that JSON cannot store", () => {
    const document: object = JSON.parse(JSON.stringify(BASE).replace("{", '{"require":{"a":1e999},'));
    expect(v.safeParse(schema, document).success).toBe(false);
  });

  it.each([
    "authorization",
    "x-api-key",
    "upload-metadata",
    "tus-resumable",
    "cookie",
    "host",
    "content-type",
    "cf-connecting-ip",
    "cf-ray",
    "idempotency-key",
    "origin",
    "x-http-method-override",
    "access-control-request-headers",
    "webhook-signature",
  ])("refuses the header %s, which has another meaning", (header) => {
    expect(parse({ header })).toBe("header: must be a header without another meaning");
  });
});
