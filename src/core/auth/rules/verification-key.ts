import type { Claims } from "./claims.ts";
import { TENANT_PART, issuerPartOf } from "./issuer.ts";

/** What a token says of its key, and of its issuer. */
export interface KeyHint {
  readonly alg: string;
  readonly kid?: unknown;
  readonly iss: string;
}

/** The curve of an algorithm with elliptic curves (RFC 7518 section 3.4, RFC 8037 section 3.1). */
const CURVES: Readonly<Record<string, string>> = {
  ES256: "P-256",
  ES384: "P-384",
  ES512: "P-521",
  EdDSA: "Ed25519",
};
const KEY_TYPES: Readonly<Record<string, string>> = { R: "RSA", P: "RSA", E: "EC" };

/**
 * Whether a public key (RFC 7517) may have signed such a token. Without `kid` in one of the two, every key of the algorithm fits.
 *
 * @param alg one of the algorithms of the issuer
 */
export function keyFits(key: Claims, { alg, kid, iss }: KeyHint): boolean {
  const curve = CURVES[alg];
  return (
    key["kty"] === (alg === "EdDSA" ? "OKP" : KEY_TYPES[alg.charAt(0)]) &&
    key["crv"] === curve &&
    (kid === undefined || key["kid"] === undefined || key["kid"] === kid) &&
    [undefined, alg].includes(key["alg"] as string | undefined) &&
    [undefined, "sig"].includes(key["use"] as string | undefined) &&
    (!Array.isArray(key["key_ops"]) || key["key_ops"].includes("verify")) &&
    isOfIssuer(key["issuer"], iss)
  );
}

/** Entra ID: "{tenantid}" in the `issuer` of a key stands for any directory. */
function isOfIssuer(keyIssuer: unknown, iss: string): boolean {
  if (keyIssuer === undefined || keyIssuer === iss) return true;
  if (typeof keyIssuer !== "string") return false;
  return issuerPartOf({ iss: keyIssuer.replace("{tenantid}", TENANT_PART) }, iss) !== undefined;
}
