import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { Response as OutboundResponse } from "miniflare";
import { SignJWT } from "jose";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { OPERATOR_TOKEN } from "../support/operator-api.ts";
import { type Faults, withProviderHosts } from "../support/provider-hosts.ts";
import { DOCUMENTS, type SignOptions, signToken } from "../support/provider-tokens.ts";

/** `POST /admin/v1/issuers/:id/check` */

interface Check {
  readonly ok: boolean;
  readonly keys: object;
  readonly steps?: readonly { readonly step: string; readonly ok: boolean; expected?: unknown; found?: unknown }[];
  readonly problem?: { readonly code: string; readonly detail: string };
}

const STEPS = [
  "parse",
  "issuer",
  "key",
  "signature",
  "times",
  "audience",
  "party",
  "required claims",
  "tenant",
  "subject",
  "scopes",
];
const KEYS = {
  from: "https://acme.eu.auth0.com/.well-known/openid-configuration",
  count: 3,
  algorithms: ["RS256", "ES256"],
};

const ORGANIZATION = "org_9ybsU1dN7dKi6wdy";

const faults: Faults = new Map();
let gateway: TestGateway;

beforeAll(async () => {
  const template = withProviderHosts(inject("gatewayTemplate"), faults);
  gateway = await startTestGateway({ REGISTRY_CACHE_SECONDS: "0" }, {}, template);
  await gateway.tenant("acme");
  for (const id of ["auth0", "clerk", "entra", "workos"])
    await gateway.operator("PUT", `/issuers/${id}`, DOCUMENTS[id]);
});
afterAll(() => gateway.stop());
beforeEach(() => faults.clear());

const send = (id: string, init: RequestInit = {}) =>
  fetch(`${gateway.url}/admin/v1/issuers/${id}/check`, { method: "POST", headers: bearer(OPERATOR_TOKEN), ...init });
const check = async (id: string, body: object = {}) =>
  (await gateway.operator("POST", `/issuers/${id}/check`, body)) as unknown as Check;
const checkToken = async (id: string, options: SignOptions = {}) => check(id, { token: await signToken(id, options) });

describe("POST /admin/v1/issuers/:id/check", () => {
  it.each<[string, RequestInit]>([
    ["{}", { body: "{}", headers: { ...bearer(OPERATOR_TOKEN), "Content-Type": "application/json" } }],
    ["no body", {}],
    ["an empty body", { body: "" }],
  ])("reads the keys, for %s", async (_, init) => {
    const answer = await send("auth0", init);
    expect(answer.status).toBe(200);
    const { checkedAt, keys, ...others } = (await answer.json()) as { checkedAt: string; keys: { ageSeconds: number } };
    expect(Math.abs(Date.parse(checkedAt) - Date.now())).toBeLessThan(10_000);
    expect(keys).toEqual({ ...KEYS, ageSeconds: expect.any(Number) as number });
    expect(keys.ageSeconds).toBeGreaterThanOrEqual(0);
    expect(others).toEqual({ ok: true });
  });

  it("walks a token through all steps, and says what results", async () => {
    const checked = await checkToken("auth0");
    expect(checked).toMatchObject({
      ok: true,
      keys: KEYS,
      tenant: { id: "acme", state: "exists" },
      person: { namespace: "auth0", subject: "google-oauth2|108204268033311374519" },
      scopes: ["uploads:create", "uploads:read", "uploads:delete", "grants:create"],
    });
    expect(checked.steps?.map(({ step, ok }) => [step, ok])).toEqual(STEPS.map((step) => [step, true]));
    expect(checked.steps?.find(({ step }) => step === "audience")).toMatchObject({
      expected: '["https://uploads.acme.example"]',
      found: '["https://uploads.acme.example","https://acme.eu.auth0.com/userinfo"]',
    });
  });

  const seconds = () => Math.floor(Date.now() / 1_000);
  it.each<[step: string, code: string, id: string, options: () => SignOptions]>([
    ["issuer", "credential_unknown_issuer", "auth0", () => ({ claims: { iss: "https://acme.eu.auth0.com" } })],
    ["issuer", "credential_unknown_issuer", "entra", () => ({ claims: { tid: "another-directory" } })],
    ["key", "credential_unknown_key", "auth0", () => ({ kid: "of-nobody" })],
    ["signature", "credential_invalid", "auth0", () => ({ forged: true })],
    ["times", "credential_expired", "auth0", () => ({ claims: { exp: seconds() - 60 } })],
    ["times", "credential_not_yet_valid", "auth0", () => ({ claims: { nbf: seconds() + 300 } })],
    ["audience", "credential_wrong_audience", "auth0", () => ({ claims: { aud: "https://other.example" } })],
    ["audience", "credential_wrong_audience", "workos", () => ({ claims: { aud: "https://other.example" } })],
    ["party", "credential_wrong_party", "clerk", () => ({ claims: { azp: "https://evil.example" } })],
    ["party", "credential_wrong_party", "clerk", () => ({ claims: { azp: undefined } })],
    ["required claims", "credential_rejected", "clerk", () => ({ claims: { sts: "pending" } })],
    ["tenant", "credential_rejected", "auth0", () => ({ claims: { org_id: undefined } })],
    ["tenant", "credential_rejected", "auth0", () => ({ claims: { org_id: ["org_1", "org_2"] } })],
    ["subject", "credential_rejected", "auth0", () => ({ claims: { sub: "" } })],
  ])("stops at the step %s: %s", async (step, code, id, options) => {
    const checked = await checkToken(id, options());
    expect(checked).toMatchObject({ ok: false, problem: { code } });
    expect(checked).not.toHaveProperty("person");
    const steps = checked.steps ?? [];
    expect(steps.map(({ step }) => step)).toEqual(STEPS.slice(0, STEPS.indexOf(step) + 1));
    expect(steps.map(({ ok }) => ok)).toEqual(steps.map((_, index) => index < steps.length - 1));
    expect(Object.keys(steps.at(-1) ?? {}).length).toBeGreaterThan(2);
  });

  it("says that a token has no scope, and whose it is", async () => {
    const checked = await checkToken("auth0", { claims: { permissions: ["another"] } });
    expect(checked).toMatchObject({ ok: false, tenant: { id: "acme" }, person: { namespace: "auth0" }, scopes: [] });
    expect(checked.steps?.at(-1)).toMatchObject({ step: "scopes", ok: false, found: '["another"]' });
  });

  it.each(["", "x", "slu_abc_def", "a.b.c", "…", "e30.e30.", "x".repeat(9_000)])(
    "says that %j is not a token of this issuer",
    async (token) => {
      const { ok, steps } = await check("auth0", { token });
      expect([ok, steps?.map(({ step, ok }) => [step, ok])]).toEqual([false, [["parse", false]]]);
    },
  );

  it.each<[string, () => OutboundResponse]>([
    ["is down", () => new OutboundResponse("down", { status: 503 })],
    ["answers with a page", () => new OutboundResponse("<html>")],
    ["answers with another document", () => OutboundResponse.json({ keys: "none" })],
    ["redirects", () => new OutboundResponse(null, { status: 302, headers: { Location: "https://a.example/" } })],
    ["never stops", () => new OutboundResponse("x".repeat(300_000))],
  ])("says why the keys cannot be read if the provider %s", async (_, fault) => {
    // Each has a URL of its own, since keys and failures are cached.
    const id = `down-${Math.random().toString(36).slice(2, 8)}`;
    const jwksUrl = `https://${id}.example/jwks`;
    faults.set(jwksUrl, fault);
    await gateway.operator("PUT", `/issuers/${id}`, { ...DOCUMENTS["clerk"], keys: { jwksUrl } });
    const checked = await check(id);
    expect(checked).toMatchObject({ ok: false, keys: { from: jwksUrl, reason: expect.any(String) as string } });
    expect(checked.problem).toMatchObject({ code: "jwks_unavailable" });
    const withToken = await check(id, { token: await signToken("clerk") });
    expect(withToken).toMatchObject({ ok: false, problem: { code: "jwks_unavailable" } });
    expect(withToken.steps?.at(-1)).toMatchObject({ step: "key", ok: false });
  });

  it("shows neither a shared secret nor how far a signature is from right", async () => {
    const secret = "a-secret-of-32-bytes-for-the-test";
    const { keys: _, algorithms: __, ...document } = DOCUMENTS["clerk"] ?? {};
    await gateway.operator("PUT", "/issuers/shared", {
      ...document,
      issuer: "https://s.example",
      keys: { secrets: [secret] },
    });
    const claims = { iss: "https://s.example", azp: "https://app.acme.example", exp: seconds() + 60 };
    const sign = (key: string) =>
      new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(key));
    const answers = [
      await check("shared"),
      await check("shared", { token: await sign(secret) }),
      await check("shared", { token: await sign(`${secret}!`) }),
    ];
    expect(answers[0]).toMatchObject({
      ok: true,
      keys: { from: "secrets", count: 1, algorithms: ["HS256", "HS384", "HS512"] },
    });
    expect(answers[1]?.steps?.at(-1)).toMatchObject({ step: "required claims", ok: false });
    expect(answers[2]?.steps?.at(-1)).toMatchObject({ step: "signature", ok: false });
    expect(JSON.stringify(answers)).not.toContain(secret);
  });

  it.each<[state: string, opens: boolean, tenant: object, provision?: object]>([
    ["exists", true, { map: { [ORGANIZATION]: "acme" } }],
    ["unknown", false, { map: { [ORGANIZATION]: "nobody" } }],
    ["unknown", false, { transform: "slug" }],
    ["suspended", false, { map: { [ORGANIZATION]: "asleep" } }],
    ["provisioned", true, { transform: "slug" }, { plan: "free" }],
    ["exists", true, { map: { [ORGANIZATION]: "acme" }, transform: "slug" }, { plan: "free" }],
  ])("says of a tenant: %s", async (state, opens, tenant, provision) => {
    await gateway.operator("PUT", "/tenants/asleep", { suspended: true });
    await gateway.operator("PUT", "/plans/free", {});
    const document = { ...DOCUMENTS["auth0"], tenant: { claim: "org_id", ...tenant }, ...(provision && { provision }) };
    await gateway.operator("PUT", "/issuers/states", document);
    expect(await check("states", { token: await signToken("auth0") })).toMatchObject({ ok: opens, tenant: { state } });
  });

  it("says that a provisioning issuer does not speak for a tenant that it has not made", async () => {
    await gateway.operator("PUT", "/plans/free", {});
    await gateway.operator("PUT", "/issuers/states", DOCUMENTS["auth0-many"]);
    const token = await signToken("auth0", { claims: { org_id: "acme" } });
    expect(await check("states", { token })).toMatchObject({ ok: false, tenant: { id: "acme", state: "foreign" } });
  });

  it("stores nothing of the token, and logs nothing of it", async () => {
    const claims = { sub: "a-subject-that-nothing-else-has", email: "someone@private.example" };
    const before = await gateway.operator("GET", "/audit");
    const lines = gateway.log.length;
    for (const options of [
      { claims },
      { claims, forged: true },
      { claims: { ...claims, aud: "an-audience-of-its-own" } },
    ]) {
      const token = await signToken("auth0", options);
      await check("auth0", { token });
      const secrets = [...token.split("."), ...Object.values(claims), "an-audience-of-its-own"];
      await expect.poll(() => gateway.log.length).toBeGreaterThan(lines);
      for (const secret of secrets) expect(gateway.log.slice(lines).join("\n")).not.toContain(secret);
    }
    expect(await gateway.operator("GET", "/audit")).toEqual(before);
    expect(JSON.stringify(await gateway.operator("GET", "/issuers/auth0"))).not.toContain(claims.sub);
  });

  it("does not count as guessing", async () => {
    for (let attempt = 0; attempt < 40; attempt++) await checkToken("auth0", { forged: true });
    expect((await problemOf(await create(gateway.url, "acme", bearer("slu_x")))).code).toBe("credential_invalid");
  });

  it.each<[string, number, RequestInit]>([
    ["body_too_large", 413, { body: JSON.stringify({ token: "x".repeat(70_000) }) }],
    ["body_invalid", 400, { body: "[]" }],
    ["body_invalid", 400, { body: '{"token": 1}' }],
    ["body_invalid", 400, { body: '{"tokens": "x"}' }],
    ["body_invalid", 400, { body: "{" }],
    ["method_not_allowed", 405, { method: "GET" }],
    ["credential_missing", 401, { headers: {} }],
  ])("answers %s", async (code, status, init) => {
    const json = { ...bearer(OPERATOR_TOKEN), "Content-Type": "application/json" };
    const answer = await send("auth0", { headers: json, ...init });
    expect([answer.status, (await problemOf(answer)).code]).toEqual([status, code]);
  });

  it("answers 404 for an issuer that does not exist", async () => {
    const answer = await send("nobody");
    expect([answer.status, (await problemOf(answer)).code]).toEqual([404, "not_found"]);
  });
});
