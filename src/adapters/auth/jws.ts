/** A public key (RFC 7517), with members of any type. */
export type PublicKey = Readonly<Record<string, unknown>>;
/** A public key or a shared secret. */
export type VerificationKey = PublicKey | Uint8Array;

/** RFC 7518 section 3.3: "A key of size 2048 bits or larger MUST be used". */
const MIN_RSA_BITS = 2_048;

const utf8 = new TextEncoder();
const BASE64URL = { alphabet: "base64url", omitPadding: true } as const;

/** Imported keys, each for the algorithm that it was last used with. They live as long as the key set that they are of. */
const imported = new WeakMap<object, { readonly alg: string; readonly key: CryptoKey }>();

/**
 * Verifies a JSON Web Signature in compact form (RFC 7515 section 5.2), with the cryptography of the runtime.
 *
 * @param alg one of `ASYMMETRIC_ALGORITHMS` or `SYMMETRIC_ALGORITHMS` which the issuer uses, never the token's own word alone
 * @returns `false` also for a key that cannot be used: providers may publish keys that are none of this runtime
 */
export async function isSigned(token: string, key: VerificationKey, alg: string): Promise<boolean> {
  try {
    const end = token.lastIndexOf(".");
    const signature = Uint8Array.fromBase64(token.slice(end + 1), BASE64URL);
    const cryptoKey = await importKey(key, alg);
    return await crypto.subtle.verify(parametersOf(alg), cryptoKey, signature, utf8.encode(token.slice(0, end)));
  } catch {
    return false;
  }
}

/** Signs with HMAC and SHA-256. */
export async function signJws(header: object, claims: object, secret: Uint8Array): Promise<string> {
  const input = [header, claims].map((part) => utf8.encode(JSON.stringify(part)).toBase64(BASE64URL)).join(".");
  const key = await importKey(secret, "HS256");
  const signature = await crypto.subtle.sign("HMAC", key, utf8.encode(input));
  return `${input}.${new Uint8Array(signature).toBase64(BASE64URL)}`;
}

async function importKey(key: VerificationKey, alg: string): Promise<CryptoKey> {
  const known = imported.get(key);
  if (known?.alg === alg) return known.key;
  const parameters = parametersOf(alg);
  // A public key must never pass for a shared secret, nor the other way round.
  if (key instanceof Uint8Array !== (parameters.name === "HMAC")) throw new TypeError("the key is of another kind");
  const cryptoKey = await (key instanceof Uint8Array
    ? crypto.subtle.importKey("raw", key, parameters, false, ["sign", "verify"])
    : crypto.subtle.importKey("jwk", publicMembers(key), parameters, false, ["verify"]));
  const { modulusLength = MIN_RSA_BITS } = cryptoKey.algorithm as { modulusLength?: number };
  if (modulusLength < MIN_RSA_BITS) throw new TypeError("the key is too short");
  imported.set(key, { alg, key: cryptoKey });
  return cryptoKey;
}

/** Without members such as `alg`, `use` and `ext`, which `keyFits` judges, and without private ones. */
function publicMembers({ kty, n, e, crv, x, y }: PublicKey): JsonWebKey {
  return Object.fromEntries(
    Object.entries({ kty, n, e, crv, x, y }).filter(([, member]) => typeof member === "string"),
  ) as unknown as JsonWebKey;
}

/** RFC 7518 section 3.1 and RFC 8037 section 3.1, for both import and verification. */
function parametersOf(alg: string) {
  const bits = alg.slice(2);
  const hash = `SHA-${bits}`;
  switch (alg.slice(0, 2)) {
    case "HS":
      return { name: "HMAC", hash };
    case "RS":
      return { name: "RSASSA-PKCS1-v1_5", hash };
    case "PS":
      return { name: "RSA-PSS", hash, saltLength: Number(bits) / 8 };
    case "ES":
      return { name: "ECDSA", hash, namedCurve: bits === "512" ? "P-521" : `P-${bits}` };
    default:
      return { name: "Ed25519" };
  }
}
