import { describe, expect, it } from "vitest";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { TOKEN_STEPS } from "../../../src/core/auth/rules/token-step.ts";
import { reportToken, walkToken } from "../../../src/core/auth/walk-token.ts";
import { problem } from "../../../src/core/shared/problem.ts";
import { err } from "../../../src/core/shared/result.ts";
import { CLAIMS, issuer, portsOf } from "../../support/auth-fixtures.ts";
import { NOON } from "../../support/policy-fixtures.ts";

async function walk(change: Partial<Issuer>, claims: Readonly<Record<string, unknown>> = {}) {
  const all = { ...CLAIMS, ...claims };
  const jwt = { kind: "jwt", text: "jwt", alg: "HS256", iss: all.iss, claims: all } as const;
  const { checks, outcome } = await walkToken(portsOf({}), jwt, { ...issuer, ...change }, { left: 16 });
  const end = checks.at(-1)?.step;
  return outcome.ok ? outcome.value : { ...outcome.problem, end };
}
const outcomeOf = async (...parameters: Parameters<typeof walk>) => {
  const outcome = await walk(...parameters);
  return "caller" in outcome ? "accepted" : `${outcome.code} at ${outcome.step}`;
};

describe("walkToken", () => {
  it.each<[claims: object, outcome: string]>([
    [{ exp: NOON - 29 }, "accepted"],
    [{ exp: NOON - 30 }, "credential_expired at times"],
    [{ exp: undefined }, "credential_rejected at times"],
    [{ exp: "9999999999" }, "credential_rejected at times"],
    [{ nbf: NOON + 30 }, "accepted"],
    [{ nbf: NOON + 31 }, "credential_not_yet_valid at times"],
    [{ nbf: "soon" }, "credential_rejected at times"],
    [{ iat: "soon" }, "credential_rejected at times"],
  ])("with the times %j: %s", async (claims, outcome) => {
    expect(await outcomeOf({}, { ...claims })).toBe(outcome);
  });

  const unbound = { audiences: [], authorizedParties: [] };

  it.each<[change: Partial<Issuer>, claims: object, outcome: string]>([
    [{ audiences: ["a", "b"] }, { aud: ["x", "b"] }, "accepted"],
    [{ audiences: ["a", "b"] }, { aud: "b" }, "accepted"],
    [{ audiences: ["a"] }, { aud: ["x"] }, "credential_wrong_audience at audience"],
    [{ audiences: ["a"] }, { aud: undefined }, "credential_wrong_audience at audience"],
    [{ audiences: ["a"] }, { aud: [["a"]] }, "credential_wrong_audience at audience"],
    [{ audiences: [], authorizedParties: ["web"] }, { aud: "account", azp: "web" }, "accepted"],
    [{ audiences: [], authorizedParties: ["web"] }, { aud: undefined, client_id: "web" }, "accepted"],
    [{ audiences: [], authorizedParties: ["x", "web"] }, { azp: "other", cid: "web" }, "accepted"],
    [{ audiences: [], authorizedParties: ["web"] }, { azp: "other" }, "credential_wrong_party at party"],
    [{ audiences: [], authorizedParties: ["web"] }, {}, "credential_wrong_party at party"],
    [{ authorizedParties: ["web"] }, { azp: "web" }, "accepted"],
    [{ authorizedParties: ["web"] }, { azp: "other" }, "credential_wrong_party at party"],
    [{ authorizedParties: ["web"] }, { aud: "x", azp: "web" }, "credential_wrong_audience at audience"],
    [{ ...unbound, anyAudience: true }, { aud: undefined }, "accepted"],
    [{ ...unbound, anyAudience: true }, {}, "credential_wrong_audience at audience"],
    [{ ...unbound, anyAudience: true }, { aud: "" }, "credential_wrong_audience at audience"],
    [{ ...unbound, anyAudience: true }, { aud: undefined, azp: "x" }, "credential_wrong_party at party"],
    [{ ...unbound, anyAudience: true }, { aud: undefined, client_id: "x" }, "credential_wrong_party at party"],
    [{ ...unbound, anyAudience: true }, { aud: undefined, cid: null }, "credential_wrong_party at party"],
    [unbound, { aud: undefined }, "credential_wrong_audience at audience"],
  ])("with %j and the claims %j: %s", async (change, claims, outcome) => {
    expect(await outcomeOf(change, { ...claims })).toBe(outcome);
  });

  it.each<[claims: object, outcome: string]>([
    [{ email_verified: true, amr: ["pwd", "mfa"] }, "accepted"],
    [{ email_verified: "true", amr: ["mfa"] }, "credential_rejected at required claims"],
    [{ email_verified: true }, "credential_rejected at required claims"],
  ])("with required claims and %j: %s", async (claims, outcome) => {
    const require = [
      ["email_verified", [true]],
      ["amr", ["mfa", "otp"]],
    ] as const;
    expect(await outcomeOf({ require }, { ...claims })).toBe(outcome);
  });

  const byClaim = (claim: string, more = {}) => ({ tenant: { kind: "claim", claim, ...more } as const });

  it.each<[change: Partial<Issuer>, claims: object, tenant: string]>([
    [byClaim("/app_metadata/tenant"), { app_metadata: { tenant: "acme" } }, "acme"],
    [byClaim("https://acme.example/tenant"), { "https://acme.example/tenant": "acme" }, "acme"],
    [byClaim("/o/id", { map: { org_2xA: "acme" } }), { o: { id: "org_2xA" } }, "acme"],
    [byClaim("custom:tenant"), { "custom:tenant": 42 }, "42"],
    [byClaim("groups"), { groups: ["acme"] }, "acme"],
    [byClaim("id", { map: { 42: "acme" } }), { id: 42 }, "acme"],
    [byClaim("id", { map: { acme: "other" } }), { id: "acme" }, "other"],
    [byClaim("id", { transform: "slug" }), { id: "acme" }, "acme"],
  ])("with %j and %j is for the tenant %s", async (change, claims, tenant) => {
    expect(await walk(change, { ...claims })).toMatchObject({ caller: { tenant } });
  });

  it.each<[change: Partial<Issuer>, claims: object]>([
    [byClaim("id"), { id: "org_2xA" }],
    [byClaim("id", { map: { a: "acme" } }), { id: "constructor_" }],
    [byClaim("id"), { id: ["acme", "other"] }],
    [byClaim("id"), { id: { name: "acme" } }],
    [byClaim("id"), {}],
  ])("with %j and %j is refused at the tenant", async (change, claims) => {
    expect(await outcomeOf(change, { ...claims })).toBe("credential_rejected at tenant");
  });

  const template: Partial<Issuer> = {
    iss: "https://login.example/{tenant}/v2.0",
    issuerPart: "tid",
    subject: { claims: ["sub"], namespace: "entra" },
  };

  it("takes the part of an issuer with a template into the namespace, if it equals its claim", async () => {
    const iss = "https://login.example/dir-1/v2.0";
    const found = await walk(template, { iss, tid: "dir-1" });
    expect(found).toMatchObject({ caller: { iss, person: { namespace: "entra/dir-1", subject: "user-1" } } });
    for (const tid of ["dir-2", undefined, ["dir-1"]])
      expect(await outcomeOf(template, { iss, tid })).toBe("credential_unknown_issuer at issuer");
    for (const other of ["https://login.example/a/b/v2.0", "https://login.example//v2.0", template.iss])
      expect(await outcomeOf(template, { iss: other, tid: "{tenant}" })).toBe("credential_unknown_issuer at issuer");
  });

  it("takes the first claim that is not empty as the subject", async () => {
    const subject = { claims: ["sub", "common_name"], namespace: "access" };
    const person = { namespace: "access", subject: "robot" };
    expect(await walk({ subject }, { sub: "", common_name: "robot" })).toMatchObject({ caller: { person } });
    expect(await outcomeOf({ subject }, { sub: { a: 1 }, common_name: "robot" })).toBe(
      "credential_rejected at subject",
    );
    expect(await outcomeOf({ subject }, { sub: "" })).toBe("credential_rejected at subject");
  });

  it("takes the scopes from a claim", async () => {
    const scopes = { kind: "claim", claim: "permissions", map: { "video.write": ["uploads:create"] } } as const;
    const found = await walk({ scopes }, { permissions: ["video.write"] });
    expect(found).toMatchObject({ caller: { scopes: new Set(["uploads:create"]) } });
    expect(await walk({ scopes }, { permissions: ["uploads:read"] })).toMatchObject({ caller: { scopes: new Set() } });
  });

  it("says what was expected and found, in the log only, and never at length", async () => {
    const long = await walk({ audiences: ["sluice"] }, { aud: "x".repeat(5_000) });
    expect(long).toMatchObject({ step: "audience", end: "audience", facts: { expected: '["sluice"]' } });
    expect(JSON.stringify(long).length).toBeLessThan(600);
    const nested = JSON.parse("[".repeat(3_000) + "]".repeat(3_000)) as unknown;
    expect(await walk({}, { aud: nested })).toMatchObject({ facts: { found: "nested too deep" } });
  });
});

describe("reportToken", () => {
  it("returns all steps of a token that is accepted", async () => {
    const { steps, outcome } = await reportToken(portsOf({}), "jwt", issuer);
    expect(steps.map(({ step }) => step)).toEqual(TOKEN_STEPS);
    expect(steps.every(({ ok }) => ok)).toBe(true);
    expect(steps[5]).toEqual({ step: "audience", ok: true, expected: '["sluice"]', found: "sluice" });
    expect(outcome?.ok).toBe(true);
  });

  it("returns the steps up to the first that fails", async () => {
    const signature = () =>
      err(problem("credential_invalid", "The token is not valid.", { step: "signature", facts: { found: "k1" } }));
    const { steps } = await reportToken(portsOf({ signature }), "jwt", issuer);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ["parse", true],
      ["issuer", true],
      ["key", true],
      ["signature", false],
    ]);
    expect(steps[3]).toMatchObject({ found: "k1" });
  });

  it("says that a token without a scope has none", async () => {
    const scopes = { kind: "claim", claim: "permissions" } as const;
    const { steps } = await reportToken(portsOf({}), "jwt", { ...issuer, scopes });
    expect(steps.at(-1)).toMatchObject({ step: "scopes", ok: false });
  });

  it("says which values of the claim are of a tenant, where only those of the map are", async () => {
    const tenant = { kind: "claim", claim: "id", map: { org_2xA: "acme" } } as const;
    const { steps } = await reportToken(portsOf({}), "jwt", { ...issuer, tenant });
    expect(steps.at(-1)).toMatchObject({ step: "tenant", expected: '{"claim":"id","map":{"org_2xA":"acme"}}' });
  });

  it("refuses at parse a token that is too large to be sent", async () => {
    const ports = portsOf({});
    const peek = () => ports.tokens.peek("jwt");
    const { steps } = await reportToken({ ...ports, tokens: { ...ports.tokens, peek } }, "x".repeat(8_193), issuer);
    expect(steps).toMatchObject([{ step: "parse", ok: false, found: expect.stringContaining("8193") as string }]);
  });

  it.each(["grant", "opaque"])("refuses %s at parse", async (text) => {
    const { steps, outcome } = await reportToken(portsOf({}), text, issuer);
    expect(steps).toMatchObject([{ step: "parse", ok: false }]);
    // A request with a grant is not refused for it.
    const refused = { ok: false, problem: { code: "credential_invalid", step: "parse" } };
    if (text === "grant") expect(outcome).toBeUndefined();
    else expect(outcome).toMatchObject(refused);
  });
});
