import { describe, expect, it } from "vitest";
import { type AuthenticatePorts, authenticate } from "../../../src/core/auth/authenticate.ts";
import type { Grant } from "../../../src/core/auth/rules/grant.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { NOON } from "../../support/policy-fixtures.ts";
import { ISS, KEY, bearer, grant, issuer, keyRecord, portsOf } from "../../support/auth-fixtures.ts";

describe("authenticate for one upload", () => {
  const forOne = async (ports: AuthenticatePorts, scope: Scope = "uploads:read") => {
    const access = await authenticate(ports, bearer("grant"), scope, "one upload");
    return access.ok ? access.value.caller : access.problem.code;
  };

  it("lets a grant read and delete, but not create", async () => {
    const scopes = new Set(["uploads:read", "uploads:delete"]);
    expect(await forOne(portsOf({}), "uploads:read")).toMatchObject({ kind: "grant", credential: "jti-1", scopes });
    expect(await forOne(portsOf({}), "uploads:delete")).toMatchObject({ scopes });
    expect(await forOne(portsOf({}), "uploads:create")).toBe("scope_missing");
  });

  it("lets a grant with playback sign tokens, too, but never edit or copy", async () => {
    const playing = { grant: { ...grant, playback: true as const } };
    const scopes = new Set(["uploads:read", "uploads:delete", "playback:sign"]);
    expect(await forOne(portsOf(playing), "playback:sign")).toMatchObject({ scopes });
    expect(await forOne(portsOf({}), "playback:sign")).toBe("scope_missing");
    for (const scope of ["uploads:edit", "uploads:copy"] as const)
      expect(await forOne(portsOf(playing), scope)).toBe("scope_missing");
    for (const scope of ["playback:sign", "uploads:edit", "uploads:copy"] as const)
      expect(await authenticate(portsOf(playing), bearer("grant"), scope)).toMatchObject({
        problem: { code: "scope_missing" },
      });
  });

  it("refuses a grant with playback once its issuer may no longer sign", async () => {
    const ofIssuer = { ...grant, mintedBy: { issuer: "idp", iss: ISS } };
    const playing = { ...ofIssuer, playback: true as const };
    const signs = { ...issuer, scopes: { kind: "fixed", scopes: new Set<Scope>(["grants:create", "playback:sign"]) } };
    const outcome = (made: Grant, minter: object) =>
      forOne(portsOf({ grant: made, issuers: [{ ...issuer, ...minter }] }), "uploads:read");
    expect(await outcome(playing, signs)).toMatchObject({ kind: "grant" });
    expect(await outcome(playing, issuer)).toBe("credential_revoked");
    expect(await outcome(ofIssuer, issuer)).toMatchObject({ kind: "grant" });
  });

  it("lets no other credential do more than for the tenant", async () => {
    const scopes = new Set<Scope>(["uploads:create"]);
    const ports = portsOf({
      key: { ...keyRecord, scopes },
      issuers: [{ ...issuer, scopes: { kind: "fixed", scopes } }],
    });
    for (const token of [KEY, "jwt"])
      expect(await authenticate(ports, bearer(token), "uploads:read", "one upload")).toMatchObject({
        problem: { code: "scope_missing" },
      });
  });

  it("verifies a grant with a day of grace, and without for the tenant", async () => {
    const graces: (number | undefined)[] = [];
    const ports = portsOf({});
    const verifyGrant = (_: string, grace?: number) => {
      graces.push(grace);
      return Promise.resolve(ok(grant));
    };
    const spied = { ...ports, tokens: { ...ports.tokens, verifyGrant } };
    await forOne(spied);
    await authenticate(spied, bearer("grant"), "uploads:create");
    expect(graces).toEqual([86_400, 0]);
  });

  it("accepts a grant after its key has expired, and not after the key was revoked", async () => {
    const expired = { ...keyRecord, expiresAt: NOON * 1000 };
    expect(await forOne(portsOf({ key: expired }))).toMatchObject({ kind: "grant" });
    expect(await forOne(portsOf({ key: { ...expired, revoked: true } }))).toBe("credential_revoked");
    expect(await forOne(portsOf({ key: undefined }))).toBe("credential_revoked");
  });
});
