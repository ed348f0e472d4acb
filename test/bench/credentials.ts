import { SignJWT, exportJWK, generateKeyPair } from "jose";

/** One valid credential of each kind for the measured tenant, and a key of the tenant on a plan. */
export interface Credentials {
  readonly key: string;
  /** Of the tenant on a plan. */
  readonly planKey: string;
  readonly grant: string;
  /** Id of an upload of the measured tenant. */
  readonly upload: string;
  /** By signing algorithm. */
  readonly jwts: ReadonlyMap<string, string>;
}

export interface TestIssuer {
  /** The algorithm, in lower case. */
  readonly id: string;
  /** For the operator's API. */
  readonly document: object;
  readonly jwt: string;
}

export const AUDIENCE = "sluice";
export const SHARED_SECRET = "secret-of-the-bench-32-bytes-long";
/** Longer than the longest run. */
const JWT_LIFETIME = "1h";

/** Identity providers with a shared secret, an elliptic-curve key and an RSA key, keys inline, and a token of each. */
export async function makeIssuers(tenant: string): Promise<TestIssuer[]> {
  const sharedKey = new TextEncoder().encode(SHARED_SECRET);
  const issuers = [await testIssuer("HS256", tenant, sharedKey, { keys: { secrets: [SHARED_SECRET] } })];
  for (const algorithm of ["ES256", "RS256"]) {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: algorithm };
    const keys = { algorithms: [algorithm], keys: { jwks: { keys: [jwk] } } };
    issuers.push(await testIssuer(algorithm, tenant, privateKey, keys));
  }
  return issuers;
}

/** A namespace that a version without namespaces can read. */
const SUBJECT = { claim: "sub", namespace: "tenant" };

export const issuerOf = (algorithm: string): string => `https://${algorithm.toLowerCase()}.example/`;

async function testIssuer(
  algorithm: string,
  tenant: string,
  signingKey: Parameters<SignJWT["sign"]>[0],
  keys: object,
): Promise<TestIssuer> {
  const id = algorithm.toLowerCase();
  const issuer = issuerOf(algorithm);
  const jwt = await new SignJWT({ email: "user-1@acme.example", roles: ["uploader"] })
    .setProtectedHeader({ alg: algorithm, kid: "k1", typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setSubject("user-1")
    .setIssuedAt()
    .setExpirationTime(JWT_LIFETIME)
    .sign(signingKey);
  return { id, document: { issuer, audiences: [AUDIENCE], tenant: { fixed: tenant }, subject: SUBJECT, ...keys }, jwt };
}
