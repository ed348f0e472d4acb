import { type JWK, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair, importJWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createTokens } from "../../../src/adapters/auth/tokens.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { claims, codeOf, issuerWith, now, ring, verifyJwt } from "./verify.ts";

const tokens = createTokens(ring(["new", 1]), true);

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

describe.each(["RS256", "PS256", "ES256", "EdDSA"])("a JWT with %s", (algorithm) => {
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
    const late = claims(new SignJWT()).setExpirationTime(now - 20);
    expect(codeOf(await verifyJwt(tokens, await sign(late), issuer))).toBe("accepted");
  });

  it.each<[string, string, (jwt: SignJWT) => SignJWT]>([
    ["expired", "credential_expired", (jwt) => jwt.setExpirationTime(now - 31)],
    ["not valid yet", "credential_not_yet_valid", (jwt) => jwt.setNotBefore(now + 300)],
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

describe("a JWT with HS256", () => {
  const secret = new Uint8Array(32).fill(9);
  const issuer = issuerWith({ kind: "secrets", secrets: [secret] }, ["HS256"]);
  const sign = (key = secret, alg = "HS256") => claims(new SignJWT()).setProtectedHeader({ alg }).sign(key);

  it("accepts only the issuer's secret", async () => {
    expect(codeOf(await verifyJwt(tokens, await sign(), issuer))).toBe("accepted");
    expect(codeOf(await verifyJwt(tokens, await sign(new Uint8Array(32).fill(8)), issuer))).toBe("credential_invalid");
  });

  it("refuses another algorithm, and an unsigned token", async () => {
    expect(codeOf(await verifyJwt(tokens, await sign(new Uint8Array(64).fill(9), "HS512"), issuer))).toBe(
      "credential_invalid",
    );
    const unsecured = new UnsecuredJWT().setIssuer("https://idp.example/").setAudience("sluice").encode();
    expect(codeOf(await verifyJwt(tokens, unsecured, issuer))).toBe("credential_invalid");
  });
});
