import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { mintGrant, mintGrantSchema } from "../../../src/core/auth/mint-grant.ts";
import type { Access } from "../../../src/core/auth/authenticate.ts";
import type { Grant } from "../../../src/core/auth/rules/grant.ts";
import type { Scope } from "../../../src/core/auth/rules/scopes.ts";
import type { CachedRegistry } from "../../../src/core/ports/registry.ts";
import { ok } from "../../../src/core/shared/result.ts";
import { NOON, policyOf } from "../../support/policy-fixtures.ts";

const ports = {
  now: () => NOON,
  newGrantId: () => "jti-1",
  registry: {} as CachedRegistry,
  provisioning: { provision: () => Promise.reject(new Error("not used")) },
  tokens: {
    peek: () => undefined,
    verifySignature: () => Promise.resolve(ok({})),
    readKeys: () => Promise.reject(new Error("not used")),
    verifyGrant: () => Promise.reject(new Error("not used")),
    signGrant: ({ id }: Grant) => Promise.resolve(`token of ${id}`),
  },
};
const accessOf = (caller: Partial<Access["caller"]>, policy = {}) =>
  ({
    caller: { tenant: "acme", ...caller },
    tenant: { id: "acme", limits: {}, policy: [policyOf(policy)] },
  }) as unknown as Access;
const mint = (access: Access, body: object) => mintGrant(ports, access, v.parse(mintGrantSchema, body));
const byKey = accessOf({ kind: "api-key", credential: "k1" });
const jwt = {
  kind: "jwt",
  credential: "idp",
  iss: "https://idp.example/",
  person: { namespace: "auth0", subject: "user-1" },
} as const;
const byJwt = accessOf({ ...jwt, maxGrantSeconds: 3_600 });

describe("mintGrant", () => {
  const grant = { id: "jti-1", tenant: "acme", issuedAt: NOON, expiresAt: NOON + 60, uploads: 1 };
  const policy = { upload: { maxBytes: 5 } };

  it.each([
    [byKey, { expiresIn: 60 }, { ...grant, mintedBy: { key: "k1" } }],
    [
      byKey,
      { expiresIn: 60, subject: "user-2" },
      { ...grant, person: { namespace: "tenant", subject: "user-2" }, mintedBy: { key: "k1" } },
    ],
    [byKey, {}, { ...grant, expiresAt: NOON + 3_600, mintedBy: { key: "k1" } }],
    [
      byKey,
      { expiresIn: 60, reference: "order 7 🎬", uploads: 50 },
      { ...grant, reference: "order 7 🎬", uploads: 50, mintedBy: { key: "k1" } },
    ],
    [byKey, { expiresIn: 60, policy }, { ...grant, policy, mintedBy: { key: "k1" } }],
    [
      byJwt,
      { expiresIn: 60 },
      { ...grant, person: jwt.person, mintedBy: { issuer: "idp", iss: "https://idp.example/" } },
    ],
    [
      byJwt,
      { expiresIn: 60, subject: "user-1" },
      { ...grant, person: jwt.person, mintedBy: { issuer: "idp", iss: "https://idp.example/" } },
    ],
  ])("mints for %j and %j the grant %j", async (access, body, expected) => {
    expect(await mint(access, body)).toEqual({
      ok: true,
      value: { grant: expected, token: "token of jti-1" },
    });
  });

  it("refuses a subject that is not the JWT's own", async () => {
    expect(await mint(byJwt, { expiresIn: 60, subject: "user-2" })).toMatchObject({
      ok: false,
      problem: { code: "body_invalid", key: "subject" },
    });
  });

  it("refuses a policy that is not valid", async () => {
    expect(await mint(byKey, { expiresIn: 60, policy: { metadata: [] } })).toMatchObject({
      ok: false,
      problem: { code: "body_invalid", key: "grant.metadata" },
    });
  });

  it("accepts a policy of 2,048 bytes and refuses a larger one", async () => {
    const policyOfBytes = (bytes: number) => {
      const policy = (force: string) => ({
        metadata: { name: { force: "x".repeat(1_000) } },
        custom: { plan: { force } },
      });
      return policy("x".repeat(bytes - JSON.stringify(policy("")).length));
    };
    expect(JSON.stringify(policyOfBytes(1_500))).toHaveLength(1_500);
    const outcomes = [2_048, 2_049].map((bytes) =>
      mint(accessOf(byKey.caller, { custom: { plan: {} } }), { expiresIn: 60, policy: policyOfBytes(bytes) }),
    );
    expect((await Promise.all(outcomes)).map(({ ok }) => ok)).toEqual([true, false]);
  });

  const key = (more: object, policy?: object) => accessOf({ kind: "api-key", credential: "k1", ...more }, policy);

  it.each([
    ["is refused beyond the key's expiry", 61_000, 62, { code: "body_invalid", key: "expiresIn" }],
    ["may end with the key", 61_000, 61, NOON + 61],
    ["ends with the key by default", 61_999, undefined, NOON + 61],
    ["ends after an hour by default", 7_200_000, undefined, NOON + 3_600],
  ])("an expiry %s", async (_, ahead, expiresIn, expected) => {
    const minted = await mint(key({ expiresAt: NOON * 1000 + ahead }), { ...(expiresIn && { expiresIn }) });
    if (typeof expected === "number") expect(minted).toMatchObject({ value: { grant: { expiresAt: expected } } });
    else expect(minted).toMatchObject({ ok: false, problem: expected });
  });

  it("says how long a grant of the key may last", async () => {
    expect(await mint(key({ expiresAt: NOON * 1000 + 61_000 }), { expiresIn: 62 })).toMatchObject({
      problem: { detail: "expiresIn: must be at most 61, since your API key expires then (found: 62)." },
    });
  });

  it.each([
    ["an hour by default", 86_400, {}, 3_600],
    ["the issuer's maximum by default, if that is shorter", 60, {}, 60],
    ["the issuer's maximum", 7_200, { expiresIn: 7_200 }, 7_200],
    ["less", 7_200, { expiresIn: 10 }, 10],
  ])("a grant of a JWT lasts %s", async (_, maxGrantSeconds, body, seconds) => {
    expect(await mint(accessOf({ ...jwt, maxGrantSeconds }), body)).toMatchObject({
      value: { grant: { expiresAt: NOON + seconds } },
    });
  });

  it("refuses a JWT a longer grant than its issuer allows", async () => {
    expect(await mint(byJwt, { expiresIn: 3_601 })).toEqual({
      ok: false,
      problem: {
        code: "body_invalid",
        detail: "expiresIn: must be at most 3600, the maxGrantSeconds of your token's issuer (found: 3601).",
        key: "expiresIn",
      },
    });
  });

  it("refuses a policy that can never create under the tenant's", async () => {
    const max = (seconds: number) => ({ metadata: { maxdurationseconds: { max: seconds } } });
    const forced = { metadata: { maxdurationseconds: { force: 600 } } };
    expect(await mint(key({}, max(60)), { policy: forced })).toMatchObject({
      ok: false,
      problem: { code: "policy_conflict", key: "maxdurationseconds" },
    });
    expect(await mint(key({}, max(600)), { policy: forced })).toMatchObject({ ok: true });
  });

  it("decides on a creator fixed twice by the grant's subject", async () => {
    const policy = { creator: { from: "tenant" } };
    const refused = { ok: false, problem: { code: "policy_conflict", key: "creator" } };
    expect(await mint(key({}), { subject: "user-1", policy })).toMatchObject(refused);
    expect(await mint(key({}), { subject: "acme", policy })).toMatchObject({ ok: true });
    expect(await mint(byJwt, { policy })).toMatchObject(refused);
  });

  describe("with playback", () => {
    const signs = { scopes: new Set<Scope>(["grants:create", "playback:sign"]) };
    const country = { type: "ip.geoip.country", action: "allow", country: ["DE"] };
    const rules = (...accessRules: object[]) => ({ playback: { accessRules } });
    const blocks = (count: number) => rules(...Array.from({ length: count }, () => ({ ...country, action: "block" })));

    it("mints a grant that says so, and none that says no", async () => {
      expect(await mint(key(signs), { playback: true })).toMatchObject({ value: { grant: { playback: true } } });
      for (const body of [{}, { playback: false }]) {
        const minted = await mint(key({ scopes: new Set() }), body);
        expect(minted.ok && minted.value.grant).not.toHaveProperty("playback");
      }
    });

    it("needs a minter that may sign", async () => {
      const refused = { problem: { code: "scope_missing", key: "playback:sign" } };
      expect(await mint(key({ scopes: new Set(["grants:create"]) }), { playback: true })).toMatchObject(refused);
      const ofJwt = (scopes: Access["caller"]["scopes"]) => accessOf({ ...jwt, maxGrantSeconds: 60, scopes });
      expect(await mint(ofJwt(new Set()), { playback: true })).toMatchObject(refused);
      expect(await mint(ofJwt(signs.scopes), { playback: true })).toMatchObject({ ok: true });
    });

    it.each<[string, tenant: object, policy: object, problem: object | undefined]>([
      ["the tenant allows none", { features: ["edit"] }, {}, { code: "feature_not_allowed", key: "policy.features" }],
      ["the grant allows none", {}, { features: [] }, { code: "feature_not_allowed", key: "grant.features" }],
      ["both allow viewers", rules(country), rules(country), { code: "policy_conflict", key: "accessRules" }],
      ["there are six access rules", blocks(3), blocks(3), { code: "policy_conflict", key: "accessRules" }],
      ["nothing is wrong", { features: ["playback"], ...blocks(3) }, blocks(2), undefined],
    ])("is decided by both policies: %s", async (_, ofTenant, policy, problem) => {
      const minted = await mint(key(signs, ofTenant), { playback: true, policy });
      expect(minted).toMatchObject(problem ? { problem } : { ok: true });
      expect(await mint(key(signs, ofTenant), { policy })).toMatchObject({ ok: true });
    });
  });

  it.each([
    { playback: "true" },
    { playback: null },
    { reference: "" },
    { reference: "x".repeat(201) },
    { reference: "two\nlines" },
    { uploads: 0 },
    { uploads: 51 },
    { uploads: 1.5 },
  ])("refuses the body %j", (body) => {
    expect(v.safeParse(mintGrantSchema, body).success).toBe(false);
  });

  it("counts the characters of a reference as people do", () => {
    expect(v.safeParse(mintGrantSchema, { reference: "🎬".repeat(200) }).success).toBe(true);
  });
});
