import { SignJWT, decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import { now as nowSeconds, ring } from "./verify.ts";

const now = nowSeconds();
const tokens = createTokens(ring(["new", 1], ["old", 2]), true);

describe("Tokens.signGrant and Tokens.verifyGrant", () => {
  const grant = {
    id: "jti-1",
    tenant: "acme",
    issuedAt: now,
    expiresAt: now + 60,
    uploads: 1,
    mintedBy: { key: "k1" },
  };

  it("verifies a signed grant and returns all its fields", async () => {
    const mintedBy = { issuer: "idp", iss: "https://idp.example/" };
    const full = {
      ...grant,
      person: { namespace: "auth0", subject: "user-1" },
      policy: { upload: { maxBytes: 5 } },
      playback: true as const,
      uploads: 50,
      reference: "order 7",
      mintedBy,
    };
    for (const one of [grant, full]) {
      const token = await tokens.signGrant(one);
      expect(tokens.peek(token)).toEqual({ kind: "grant" });
      expect(await tokens.verifyGrant(token)).toEqual({ ok: true, value: one });
    }
  });

  it.each([
    [
      { namespace: "tenant", subject: "zoë" },
      { sub: "zoë", ns: undefined },
    ],
    [
      { namespace: "auth0", subject: "user-1" },
      { sub: undefined, ns: ["auth0", "user-1"] },
    ],
  ])("writes and reads %j, and the version before sees a subject of the tenant's only: %j", async (person, claims) => {
    const token = await tokens.signGrant({ ...grant, person });
    const { sub, ns } = decodeJwt(token);
    expect({ sub, ns }).toEqual(claims);
    expect(await tokens.verifyGrant(token)).toMatchObject({ value: { person } });
  });

  it("accepts a grant after its signing key was rotated, and refuses it after the key was removed", async () => {
    const token = await createTokens(ring(["old", 2]), false).signGrant(grant);
    expect((await tokens.verifyGrant(token)).ok).toBe(true);
    const after = await createTokens(ring(["new", 1]), false).verifyGrant(token);
    expect(after).toMatchObject({ ok: false, problem: { code: "credential_unknown_key" } });
  });

  it("refuses a grant from the second in which it expires", async () => {
    const token = await tokens.signGrant({ ...grant, expiresAt: now - 1 });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_expired" } });
  });

  it("accepts an expired grant for a time of grace", async () => {
    const token = await tokens.signGrant({ ...grant, expiresAt: now - 60 });
    expect((await tokens.verifyGrant(token, 120)).ok).toBe(true);
    expect(await tokens.verifyGrant(token, 59)).toMatchObject({ problem: { code: "credential_expired" } });
  });

  it("reads a grant of version 0.1 as one for a single file", async () => {
    const jwt = new SignJWT({ mintedBy: { key: "k1" } }).setIssuer("sluice").setAudience("acme").setJti("jti-1");
    const header = { alg: "HS256", kid: "new", typ: "grant+jwt" };
    const key = new Uint8Array(32).fill(1);
    const token = await jwt
      .setIssuedAt(now)
      .setExpirationTime(now + 60)
      .setProtectedHeader(header)
      .sign(key);
    expect(await tokens.verifyGrant(token)).toEqual({ ok: true, value: grant });
  });

  it("refuses a JWT that is not a grant, even with the same secret", async () => {
    const key = new Uint8Array(32).fill(1);
    const jwt = new SignJWT().setIssuer("sluice").setAudience("acme").setJti("j").setIssuedAt().setExpirationTime("1h");
    const token = await jwt.setProtectedHeader({ alg: "HS256", kid: "new", typ: "JWT" }).sign(key);
    expect(tokens.peek(token)).toMatchObject({ kind: "jwt" });
    expect(await tokens.verifyGrant(token)).toMatchObject({ ok: false, problem: { code: "credential_invalid" } });
  });
});

describe("Tokens.peek", () => {
  it("returns undefined for claims of the wrong type", () => {
    const unsigned = (claims: object) =>
      `${btoa('{"alg":"HS256"}')}.${btoa(JSON.stringify(claims))}.`.replaceAll("=", "");
    for (const iss of [5, null, true, {}, ["https://idp.example/"]])
      expect(tokens.peek(unsigned({ iss }))).toBeUndefined();
    expect(tokens.peek(unsigned({ aud: "sluice" }))).toMatchObject({ kind: "jwt", iss: "", claims: { aud: "sluice" } });
  });

  it.each(["", "a", "a.b", "a.b.c", "....", "slu_x", "eyJhbGciOiJub25lIn0", "e30.e30.", "e30.W10.e30"])(
    "does not throw for %j",
    (text) => {
      expect(tokens.peek(text)?.kind ?? "none").toMatch(/^(?:none|jwt)$/);
    },
  );
});
