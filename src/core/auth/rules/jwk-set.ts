import * as v from "valibot";

/** Large providers publish about a dozen. */
const MAX_KEYS = 20;
/** RFC 7518 section 6: members that only the owner of a key, or of a shared secret, may have. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const base64url = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,2000}$/, "must be base64url"));
const label = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const common = {
  kid: v.optional(label),
  use: v.optional(label),
  alg: v.optional(label),
  key_ops: v.optional(v.pipe(v.array(label), v.maxLength(10))),
  /** Entra ID publishes the keys of several directories as one set, and says whose each key is. */
  issuer: v.optional(label),
};

const KEY_TYPES = [
  v.object({ kty: v.picklist(["RSA"]), n: base64url, e: base64url, ...common }),
  v.object({ kty: v.picklist(["EC"]), crv: label, x: base64url, y: base64url, ...common }),
  v.object({ kty: v.picklist(["OKP"]), crv: label, x: base64url, ...common }),
];
const otherType = v.object({ kty: v.picklist(["RSA", "EC", "OKP"]) });

/** Keeps the members that verification needs; drops certificates and other members. */
const publicKey = v.pipe(
  v.custom<object>((key) => typeof key === "object" && key !== null, "must be an object"),
  v.check((key) => !PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member)), "must be a public key"),
  v.lazy((key) => KEY_TYPES.find(({ entries }) => v.is(v.looseObject({ kty: entries.kty }), key)) ?? otherType),
);

/** A JWK Set (RFC 7517 section 5) as an identity provider publishes it: public keys only. */
export const publicKeySet = v.object({ keys: v.pipe(v.array(publicKey), v.minLength(1), v.maxLength(MAX_KEYS)) });
