import { describe, expect, it } from "vitest";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import type { SignatureChecks } from "../../../src/core/ports/tokens.ts";
import { type Problem, problem } from "../../../src/core/shared/problem.ts";
import { err, ok } from "../../../src/core/shared/result.ts";
import { ALL_SCOPES, ISS, KEY, bearer, grant, issuer, outcomeOf, portsOf, sent } from "../../support/auth-fixtures.ts";
import { NOON } from "../../support/policy-fixtures.ts";

describe("authenticate with a JWT", () => {
  it("returns the caller", async () => {
    expect(await outcomeOf(portsOf({}), bearer("jwt"))).toEqual({
      tenant: "acme",
      kind: "jwt",
      credential: "idp",
      iss: ISS,
      person: { namespace: "idp", subject: "user-1" },
      scopes: ALL_SCOPES,
      maxGrantSeconds: 3_600,
      version: 3,
    });
  });

  it("takes the tenant from a claim if the issuer says so", async () => {
    const { version: _, ...shared } = { ...issuer, tenant: { kind: "claim", claim: "org" } as const };
    const claims = { org: "acme" };
    expect(await outcomeOf(portsOf({ issuers: [shared], claims }), bearer("jwt"))).toMatchObject({
      tenant: "acme",
      version: Infinity,
    });
    for (const [org, code] of [
      ["other", "tenant_mismatch"],
      [5, "tenant_mismatch"],
      ["Acme!", "credential_rejected"],
      [undefined, "credential_rejected"],
    ] as const)
      expect(await outcomeOf(portsOf({ issuers: [shared], claims: { ...claims, org } }), bearer("jwt"))).toBe(code);
  });

  it("takes only the values of a map, and revokes the grants of a value that it loses", async () => {
    const { version: _, ...shared } = issuer;
    const mapped = (to: string): Issuer => ({
      ...shared,
      tenant: { kind: "claim", claim: "org", map: { "org-1": to } },
    });
    const outcome = (one: Issuer, org: string) =>
      outcomeOf(portsOf({ issuers: [one], claims: { org } }), bearer("jwt"));
    expect(await outcome(mapped("acme"), "org-1")).toMatchObject({ tenant: "acme" });
    for (const org of ["acme", "constructor"]) expect(await outcome(mapped("acme"), org)).toBe("credential_rejected");
    const byJwt = { ...grant, mintedBy: { issuer: issuer.id, iss: ISS } };
    const grantOf = (one: Issuer) => outcomeOf(portsOf({ issuers: [one], grant: byJwt }), bearer("grant"));
    expect(await grantOf(mapped("acme"))).toMatchObject({ tenant: "acme" });
    expect(await grantOf(mapped("other"))).toBe("credential_revoked");
  });

  it.each([undefined, "", 0.5, "a\nb", "\ud800", "x".repeat(256)])("refuses the subject %j", async (sub) => {
    expect(await outcomeOf(portsOf({ claims: { sub } }), bearer("jwt"))).toBe("credential_rejected");
  });

  it("refuses an unknown issuer", async () => {
    expect(await outcomeOf(portsOf({ issuers: [] }), bearer("jwt"))).toBe("credential_unknown_issuer");
  });

  const otherTenant = { kind: "fixed", id: "other" } as const;

  it("tries all issuers, by algorithm first, then by audience and party, by tenant, and by required claims", async () => {
    const issuers: readonly Issuer[] = [
      { ...issuer, id: "algorithm", algorithms: ["RS256"] },
      { ...issuer, id: "nothing else", audiences: ["x"], tenant: otherTenant },
      { ...issuer, id: "tenant", audiences: ["x"] },
      { ...issuer, id: "audience", tenant: otherTenant },
      { ...issuer, id: "required", require: [["org", ["acme"]]] },
      { ...issuer, id: "party", authorizedParties: ["web"] },
      { ...issuer, id: "all" },
    ];
    const chosen: Issuer[] = [];
    const signature = () => err(problem("credential_invalid", "The token is not valid.", { step: "signature" }));
    expect(await outcomeOf(portsOf({ issuers, signature }, chosen), bearer("jwt"))).toBe("credential_invalid");
    expect(chosen.map(({ id }) => id)).toEqual([
      "all",
      "required",
      "audience",
      "tenant",
      "party",
      "nothing else",
      "algorithm",
    ]);
  });

  it("returns the caller of the first issuer that accepts the token for the tenant", async () => {
    const issuers = [
      { ...issuer, id: "forged" },
      { ...issuer, id: "elsewhere", tenant: { kind: "claim", claim: "org" } as const },
      { ...issuer, id: "right" },
      { ...issuer, id: "right, too" },
    ];
    const signature = ({ id }: Issuer) =>
      id === "forged" ? err(problem("credential_invalid", "The token is not valid.", { step: "signature" })) : ok({});
    const ports = portsOf({ issuers, signature, claims: { org: "other" } });
    expect(await outcomeOf(ports, bearer("jwt"))).toMatchObject({ credential: "right" });
  });

  it("takes an issuer that gives no scope only where none does, and the same one for all routes", async () => {
    const reads: Issuer = { ...issuer, id: "reads", scopes: { kind: "fixed", scopes: new Set(["uploads:read"]) } };
    const revoked: Issuer = { ...issuer, id: "revoked", scopes: { kind: "fixed", scopes: new Set() } };
    const nothing: Issuer = { ...issuer, id: "nothing", scopes: { kind: "claim", claim: "permissions" } };
    const ports = portsOf({ issuers: [revoked, nothing, reads, { ...issuer, id: "creates" }] });
    expect(await outcomeOf(ports, bearer("jwt"), "uploads:read")).toMatchObject({ credential: "reads" });
    expect(await outcomeOf(ports, bearer("jwt"))).toBe("scope_missing");
    const forged = err(problem("credential_invalid", "The token is not valid.", { step: "signature" }));
    const onlyFirst = portsOf({ issuers: [nothing, issuer], signature: ({ id }) => (id === "idp" ? forged : ok({})) });
    expect(await outcomeOf(onlyFirst, bearer("jwt"))).toBe("scope_missing");
  });

  it("returns the problem of the issuer with which the token came furthest", async () => {
    const unavailable = problem("jwks_unavailable", "The key set cannot be read.", { step: "key" });
    const forged = problem("credential_invalid", "The token is not valid.", { step: "signature" });
    const of = (...problems: (Problem | undefined)[]) => {
      const issuers = problems.map((_, index) => ({ ...issuer, id: String(index) }));
      const signature = ({ id }: Issuer) => {
        const found = problems[Number(id)];
        return found ? err(found) : ok({});
      };
      return { issuers, signature };
    };
    const expired = { exp: NOON - 60 };
    expect(await outcomeOf(portsOf({ ...of(forged, undefined), claims: expired }), bearer("jwt"))).toBe(
      "credential_expired",
    );
    expect(await outcomeOf(portsOf({ ...of(undefined, unavailable), claims: expired }), bearer("jwt"))).toBe(
      "credential_expired",
    );
    for (const problems of [
      [unavailable, forged],
      [forged, unavailable],
    ])
      expect(await outcomeOf(portsOf(of(...problems)), bearer("jwt"))).toBe("jwks_unavailable");
    expect(
      await outcomeOf(
        portsOf({
          issuers: [
            { ...issuer, tenant: otherTenant },
            { ...issuer, audiences: ["x"] },
          ],
        }),
        bearer("jwt"),
      ),
    ).toBe("tenant_mismatch");
  });

  it("tries 8 issuers at most, with 16 signature checks for all of them", async () => {
    const issuers = Array.from({ length: 10 }, (_, index) => ({ ...issuer, id: String(index) }));
    const chosen: Issuer[] = [];
    const left: number[] = [];
    const signature = (_: Issuer, checks: SignatureChecks) => {
      left.push(checks.left);
      checks.left -= 3;
      return err(problem("credential_invalid", "The token is not valid.", { step: "signature" }));
    };
    await outcomeOf(portsOf({ issuers, signature }, chosen), bearer("jwt"));
    expect(chosen).toHaveLength(8);
    expect(left.slice(0, 3)).toEqual([16, 13, 10]);
  });
});

describe("authenticate with a header that an issuer names", () => {
  const header = "cf-access-jwt-assertion";
  const access: Issuer = { ...issuer, id: "access", header };

  it("returns the caller, with issuers that name this header only", async () => {
    const ports = portsOf({ issuers: [issuer, { ...access, header: "other-header" }, access] });
    expect(await outcomeOf(ports, sent({ [header]: "jwt" }))).toMatchObject({ credential: "access" });
    expect(await outcomeOf(portsOf({ issuers: [issuer] }), sent({ [header]: "jwt" }))).toBe("credential_missing");
    const elsewhere = portsOf({ issuers: [access], claims: { iss: "https://other.example/" } });
    expect(await outcomeOf(elsewhere, sent({ [header]: "jwt" }))).toBe("credential_unknown_issuer");
  });

  it.each(["grant", KEY, "", "a.b.c"])("refuses %j in it", async (text) => {
    expect(await outcomeOf(portsOf({ issuers: [access] }), sent({ [header]: text }))).toBe("credential_invalid");
  });

  it("ignores it if there is another credential, whatever that is", async () => {
    const ports = portsOf({ issuers: [access] });
    expect(await outcomeOf(ports, sent({ [header]: "jwt", authorization: `Bearer ${KEY}` }))).toMatchObject({
      kind: "api-key",
    });
    expect(await outcomeOf(ports, sent({ [header]: "jwt", "x-api-key": KEY }))).toMatchObject({ kind: "api-key" });
    expect(await outcomeOf(ports, sent({ [header]: "jwt" }, "grant"))).toMatchObject({ kind: "grant" });
    expect(await outcomeOf(ports, sent({ [header]: "jwt", authorization: "Bearer x" }))).toBe("credential_invalid");
  });

  it("ignores it where a page of another site sends the request: a cookie would be the only credential", async () => {
    const ports = portsOf({ issuers: [access] });
    const from = (site: string) => outcomeOf(ports, sent({ [header]: "jwt", "sec-fetch-site": site }));
    expect(await from("cross-site")).toBe("credential_missing");
    for (const site of ["same-site", "same-origin", "none"])
      expect(await from(site)).toMatchObject({ credential: "access" });
    const own = sent({ authorization: `Bearer ${KEY}`, "sec-fetch-site": "cross-site" });
    expect(await outcomeOf(ports, own)).toMatchObject({ kind: "api-key" });
  });

  it("asks for issuers once without a credential, and never with one", async () => {
    let lookUps = 0;
    const ports = portsOf({ issuers: [access] });
    const counting = (name: "issuersWithHeader" | "issuers") => ({
      ...ports,
      registry: {
        ...ports.registry,
        [name]: (iss: string) => {
          lookUps++;
          return ports.registry[name](iss);
        },
      },
    });
    expect(await outcomeOf(counting("issuersWithHeader"), sent({}))).toBe("credential_missing");
    expect(lookUps).toBe(1);
    await outcomeOf(counting("issuersWithHeader"), bearer("jwt"));
    await outcomeOf(counting("issuers"), sent({ [header]: "jwt" }));
    expect(lookUps).toBe(1);
  });
});
