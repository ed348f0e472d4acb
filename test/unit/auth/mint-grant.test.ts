import { describe, expect, it } from "vitest";
import { mintGrant } from "../../../src/core/auth/mint-grant.ts";
import type { Access } from "../../../src/core/auth/authenticate.ts";
import type { Grant } from "../../../src/core/auth/rules/grant.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { NOON } from "../../support/policy-fixtures.ts";

const ports = {
  now: () => NOON,
  newGrantId: () => "jti-1",
  tokens: {
    peek: () => undefined,
    verifyJwt: () => Promise.resolve(ok({})),
    verifyGrant: () => Promise.reject(new Error("not used")),
    signGrant: ({ id }: Grant) => Promise.resolve(`token of ${id}`),
  },
};
const accessOf = (caller: Partial<Access["caller"]>) => ({ caller, tenant: { id: "acme" } }) as unknown as Access;
const byKey = accessOf({ kind: "api-key", credential: "k1" });
const byJwt = accessOf({ kind: "jwt", credential: "idp", iss: "https://idp.example/", subject: "user-1" });

describe("mintGrant", () => {
  const grant = { id: "jti-1", tenant: "acme", issuedAt: NOON, expiresAt: NOON + 60 };
  const policy = { upload: { maxBytes: 5 } };

  it.each([
    [byKey, { expiresIn: 60 }, { ...grant, mintedBy: { key: "k1" } }],
    [byKey, { expiresIn: 60, subject: "user-2" }, { ...grant, subject: "user-2", mintedBy: { key: "k1" } }],
    [byKey, { expiresIn: 60, policy }, { ...grant, policy, mintedBy: { key: "k1" } }],
    [
      byJwt,
      { expiresIn: 60 },
      { ...grant, subject: "user-1", mintedBy: { issuer: "idp", iss: "https://idp.example/" } },
    ],
    [
      byJwt,
      { expiresIn: 60, subject: "user-1" },
      { ...grant, subject: "user-1", mintedBy: { issuer: "idp", iss: "https://idp.example/" } },
    ],
  ])("mints for %j and %j the grant %j", async (access, body, expected) => {
    expect(await mintGrant(ports, access, body)).toEqual({
      ok: true,
      value: { grant: expected, token: "token of jti-1" },
    });
  });

  it("refuses a subject that is not the JWT's own", async () => {
    expect(await mintGrant(ports, byJwt, { expiresIn: 60, subject: "user-2" })).toMatchObject({
      ok: false,
      problem: { code: "body_invalid", key: "subject" },
    });
  });

  it("refuses a policy that is not valid", async () => {
    expect(await mintGrant(ports, byKey, { expiresIn: 60, policy: { metadata: [] } })).toMatchObject({
      ok: false,
      problem: { code: "body_invalid", key: "grant.metadata" },
    });
  });

  it("accepts a policy of 2,048 bytes and refuses a larger one", async () => {
    const policyOfBytes = (bytes: number) => {
      const policy = (force: string) => ({ metadata: { name: { force: "x".repeat(1_000) }, plan: { force } } });
      return policy("x".repeat(bytes - JSON.stringify(policy("")).length));
    };
    expect(JSON.stringify(policyOfBytes(1_500))).toHaveLength(1_500);
    const outcomes = [2_048, 2_049].map((bytes) =>
      mintGrant(ports, byKey, { expiresIn: 60, policy: policyOfBytes(bytes) }),
    );
    expect((await Promise.all(outcomes)).map(({ ok }) => ok)).toEqual([true, false]);
  });
});
