import { type JWK, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair, importJWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import { ASYMMETRIC_ALGORITHMS, type Issuer, SYMMETRIC_ALGORITHMS } from "../../../src/core/auth/rules/issuer.ts";
import { claims, codeOf, issuerWith, now, ring, verifyJwt } from "./verify.ts";

const tokens = createTokens(ring(["new", 1]), true);

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

describe.each([...ASYMMETRIC_ALGORITHMS])("a JWT with %s", (algorithm) => {
  let pair: Pair;
  let other: Pair;
  let issuer: Issuer;

  beforeAll(async () => {
    pair = await generateKeyPair(algorithm, { extractable: true });
    other = await generateKeyPair(algorithm, { extractable: true });
    const key = { ...(await exportJWK(pair.publicKey)), kid: "k1", alg: algorithm };
    issuer = issuerWith({ kind: "jwks", jwks: { keys: [key] } }, [algorithm]);
  });

  const sign = (jwt: SignJWT, key = pair.privateKey, kid = "k1") =>
    jwt.setProtectedHeader({ alg: algorithm, kid }).sign(key);

  it("accepts a token signed with the issuer's key", async () => {
    const verified = await verifyJwt(tokens, await sign(claims(new SignJWT({ team: "red" }))), issuer);
    expect(verified).toMatchObject({ ok: true, value: { sub: "user-1", team: "red" } });
  });

  it("accepts a token that expired within the clock tolerance", async () => {
    const late = claims(new SignJWT()).setExpirationTime(now() - 20);
    expect(codeOf(await verifyJwt(tokens, await sign(late), issuer))).toBe("accepted");
  });

  it.each<[string, string, (jwt: SignJWT) => SignJWT]>([
    ["expired", "credential_expired", (jwt) => jwt.setExpirationTime(now() - 31)],
    ["not valid yet", "credential_not_yet_valid", (jwt) => jwt.setNotBefore(now() + 300)],
    ["for another audience", "credential_wrong_audience", (jwt) => jwt.setAudience("someone-else")],
    ["from another issuer", "credential_unknown_issuer", (jwt) => jwt.setIssuer("https://evil.example/")],
  ])("refuses a token that is %s with %s", async (_, code, change) => {
    expect(codeOf(await verifyJwt(tokens, await sign(change(claims(new SignJWT()))), issuer))).toBe(code);
  });

  it("refuses a token without exp, which would be valid forever", async () => {
    const jwt = new SignJWT().setIssuer("https://idp.example/").setAudience("sluice").setSubject("user-1");
    expect(codeOf(await verifyJwt(tokens, await sign(jwt), issuer))).toBe("credential_rejected");
  });

  it("refuses an unknown kid, and a signature by another key", async () => {
    const unknown = await sign(claims(new SignJWT()), other.privateKey, "k2");
    expect(codeOf(await verifyJwt(tokens, unknown, issuer))).toBe("credential_unknown_key");
    const forged = await sign(claims(new SignJWT()), other.privateKey);
    expect(codeOf(await verifyJwt(tokens, forged, issuer))).toBe("credential_invalid");
  });

  it("refuses a changed payload or signature", async () => {
    const [header, payload = "", signature = ""] = (await sign(claims(new SignJWT({ tenant: "a" })))).split(".");
    const changed = btoa(JSON.stringify({ ...JSON.parse(atob(payload)), tenant: "b" })).replaceAll("=", "");
    expect(codeOf(await verifyJwt(tokens, `${header}.${changed}.${signature}`, issuer))).toBe("credential_invalid");
    const swapped = signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    expect(codeOf(await verifyJwt(tokens, `${header}.${payload}.${swapped}`, issuer))).toBe("credential_invalid");
  });

  it("refuses a token signed with the public key as an HMAC secret", async () => {
    const publicKey = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey)));
    const confused = await claims(new SignJWT()).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(publicKey);
    expect(codeOf(await verifyJwt(tokens, confused, issuer))).toBe("credential_invalid");
  });
});

describe("a JWT with a key for several algorithms", () => {
  it("refuses an algorithm that the issuer does not use, even if the key fits", async () => {
    const pair = await generateKeyPair("RS256", { extractable: true });
    const issuer = issuerWith({ kind: "jwks", jwks: { keys: [await exportJWK(pair.publicKey)] } }, ["RS256"]);
    const { n, e, d, p, q, dp, dq, qi } = await exportJWK(pair.privateKey);
    const jwk = { kty: "RSA", alg: "PS256", n, e, d, p, q, dp, dq, qi };
    const jwt = await claims(new SignJWT())
      .setProtectedHeader({ alg: "PS256" })
      .sign(await importJWK(jwk as JWK));
    expect(codeOf(await verifyJwt(tokens, jwt, issuer))).toBe("credential_invalid");
  });
});

describe.each([...SYMMETRIC_ALGORITHMS])("a JWT with %s", (alg) => {
  const secret = new Uint8Array(64).fill(9);
  const sign = (key: Uint8Array) => claims(new SignJWT()).setProtectedHeader({ alg, kid: "any" }).sign(key);
  const newer = new Uint8Array(64).fill(8);
  const issuer = issuerWith({ kind: "secrets", secrets: [secret, newer] }, [alg]);

  it("is accepted with either secret of its issuer, and with no other", async () => {
    expect(codeOf(await verifyJwt(tokens, await sign(secret), issuer))).toBe("accepted");
    expect(codeOf(await verifyJwt(tokens, await sign(newer), issuer))).toBe("accepted");
    const other = await sign(new Uint8Array(64).fill(7));
    expect(codeOf(await verifyJwt(tokens, other, issuer))).toBe("credential_invalid");
  });

  it("is refused with another algorithm, and unsigned", async () => {
    const another = alg === "HS256" ? "HS384" : "HS256";
    const signed = await claims(new SignJWT()).setProtectedHeader({ alg: another }).sign(secret);
    expect(codeOf(await verifyJwt(tokens, signed, issuer))).toBe("credential_invalid");
    const { iss, aud } = { iss: "https://idp.example/", aud: "sluice" };
    const unsecured = new UnsecuredJWT().setIssuer(iss).setAudience(aud).encode();
    expect(codeOf(await verifyJwt(tokens, unsecured, issuer))).toBe("credential_invalid");
  });
});

describe("the keys that a JWT is tried with", () => {
  const pairs: Pair[] = [];
  const publicKeys: JWK[] = [];
  let rsa: Pair;

  beforeAll(async () => {
    rsa = await generateKeyPair("RS256", { extractable: true });
    for (let index = 0; index < 18; index++) {
      const pair = await generateKeyPair("ES256", { extractable: true });
      pairs.push(pair);
      publicKeys.push(await exportJWK(pair.publicKey));
    }
  });

  const signedBy = (index: number, header: object = {}) =>
    claims(new SignJWT())
      .setProtectedHeader({ alg: "ES256", ...header })
      .sign(pairs[index]?.privateKey ?? new Uint8Array());
  const issuerOf = (keys: readonly object[], algorithms = ["ES256"]) =>
    issuerWith({ kind: "jwks", jwks: { keys: keys as Record<string, unknown>[] } }, algorithms);
  const codeFor = async (token: string, keys: readonly object[]) =>
    codeOf(await verifyJwt(tokens, token, issuerOf(keys)));

  it("are all of its algorithm, without a kid", async () => {
    const keys = [
      await exportJWK(rsa.publicKey),
      ...publicKeys.slice(0, 3).map((key, index) => ({ ...key, kid: `k${index}` })),
    ];
    expect(await codeFor(await signedBy(2), keys)).toBe("accepted");
    expect(await codeFor(await signedBy(3), keys)).toBe("credential_invalid");
    expect(await codeFor(await signedBy(0), [await exportJWK(rsa.publicKey)])).toBe("credential_unknown_key");
  });

  it("are all with its kid, and those without one", async () => {
    const same = publicKeys.slice(0, 2).map((key) => ({ ...key, kid: "same" }));
    expect(await codeFor(await signedBy(1, { kid: "same" }), same)).toBe("accepted");
    expect(await codeFor(await signedBy(2, { kid: "same" }), same)).toBe("credential_invalid");
    expect(await codeFor(await signedBy(1, { kid: "other" }), same)).toBe("credential_unknown_key");
    expect(await codeFor(await signedBy(2, { kid: "same" }), [...same, publicKeys[2] ?? {}])).toBe("accepted");
  });

  it("are 16 at most", async () => {
    expect(await codeFor(await signedBy(15), publicKeys)).toBe("accepted");
    expect(await codeFor(await signedBy(16), publicKeys)).toBe("credential_invalid");
  });

  it("are not those for something else, or that cannot be used", async () => {
    const [key = {}] = publicKeys;
    const token = await signedBy(0);
    for (const change of [
      { use: "enc" },
      { alg: "ES384" },
      { key_ops: ["sign"] },
      { kty: "OKP" },
      { crv: "P-384" },
      { issuer: 5 },
    ])
      expect(await codeFor(token, [{ ...key, ...change }])).toBe("credential_unknown_key");
    expect(
      await codeFor(token, [
        { ...key, x: undefined },
        { ...key, x: 5 },
        { ...key, x: "!" },
      ]),
    ).toBe("credential_invalid");
    expect(
      await codeFor(token, [
        { ...key, x: "!" },
        { ...key, use: "sig", key_ops: ["verify"], ext: false },
      ]),
    ).toBe("accepted");
  });

  it("are told apart from any other thing that a provider publishes", async () => {
    const odd = [
      { kid: { toString: 1 } },
      { kid: [] },
      { kty: { toString: 1 }, alg: [{}] },
      {},
      { kty: "EC", kid: "odd", key_ops: 5, use: [], issuer: {} },
      { kty: "oct", k: "AAAA" },
      await exportJWK(pairs[2]?.privateKey ?? new Uint8Array()),
    ];
    const key = { ...publicKeys[0], kid: "k0" };
    expect(await codeFor(await signedBy(0, { kid: "k0" }), [...odd, key])).toBe("accepted");
    expect(await codeFor(await signedBy(1, { kid: "k1" }), [...odd.slice(0, -1), key])).toBe("credential_unknown_key");
    expect(await codeFor(await signedBy(2, { kid: "k2" }), [...odd, key])).toBe("credential_invalid");
    expect(await tokens.readKeys(issuerOf([...odd, key]))).toMatchObject({
      ok: true,
      value: { count: 8, algorithms: ["EC", "oct"] },
    });
  });

  it("are of the token's issuer, if they name one: that of any directory for {tenantid}", async () => {
    const template = "https://login.example/{tenant}/v2.0";
    const iss = "https://login.example/dir-1/v2.0";
    const token = await claims(new SignJWT({ tid: "dir-1" }))
      .setIssuer(iss)
      .setProtectedHeader({ alg: "ES256" })
      .sign(pairs[0]?.privateKey ?? new Uint8Array());
    const codeWith = async (issuer: string) => {
      const keys = [{ ...publicKeys[0], issuer }];
      const entra = { ...issuerOf(keys), iss: template, issuerPart: "tid" };
      return codeOf(await verifyJwt(tokens, token, entra));
    };
    expect(await codeWith(iss)).toBe("accepted");
    expect(await codeWith("https://login.example/{tenantid}/v2.0")).toBe("accepted");
    expect(await codeWith("https://login.example/dir-2/v2.0")).toBe("credential_unknown_key");
    expect(await codeWith("https://other.example/{tenantid}/v2.0")).toBe("credential_unknown_key");
  });

  it("are not RSA keys of less than 2,048 bits", async () => {
    const pair = (await crypto.subtle.generateKey(
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 1_024, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
      true,
      ["sign", "verify"],
    )) as CryptoKeyPair;
    const input = (await signedBy(0)).split(".");
    const header = btoa('{"alg":"RS256"}').replaceAll("=", "");
    const data = new TextEncoder().encode(`${header}.${input[1]}`);
    const signature = new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", pair.privateKey, data));
    const token = `${header}.${input[1]}.${signature.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    const issuer = issuerOf([await crypto.subtle.exportKey("jwk", pair.publicKey)], ["RS256"]);
    expect(codeOf(await verifyJwt(tokens, token, issuer))).toBe("credential_invalid");
  });

  it("are never those of an extension that is not understood", async () => {
    const token = await signedBy(0, { crit: ["b64"], b64: true });
    expect(await codeFor(token, [publicKeys[0] ?? {}])).toBe("credential_invalid");
  });
});
