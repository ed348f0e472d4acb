import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, UnsecuredJWT, exportJWK } from "jose";

export type IdentityProvider = Awaited<ReturnType<typeof startIdentityProvider>>;

/** Starts an identity provider: a JWKS URL and the JWTs of its key. */
export async function startIdentityProvider() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  let fetches = 0;
  const server = createServer((_, response) => {
    fetches++;
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const claimsWith = (claims: object) => {
    const exp = Math.floor(Date.now() / 1000) + 60;
    return { iss: "https://idp.example/", aud: "sluice", sub: "user-1", org: "acme", exp, ...claims };
  };
  const sign = (claims: object, kid = "k1", key = privateKey) =>
    new SignJWT(claimsWith(claims)).setProtectedHeader({ alg: "ES256", kid }).sign(key);
  /** A token with valid claims and an invalid signature. */
  const forge = async (by: "another key" | "HS256" | "none", claims = {}) => {
    if (by === "none") return new UnsecuredJWT(claimsWith(claims)).encode();
    if (by === "another key") return sign(claims, "k1", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const secret = new TextEncoder().encode(JSON.stringify(jwk));
    return new SignJWT(claimsWith({})).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(secret);
  };
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    sign,
    forge,
    fetches: () => fetches,
    stop: () => server.close(),
  };
}
