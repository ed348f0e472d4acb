import { isJsonObject, parseJson } from "../../shared/json.ts";

/** An RSA private key as JWK (RFC 7518 section 6.3.2), without what a signature does not need. */
export type SigningJwk = { readonly kty: "RSA" } & Readonly<Record<(typeof PARAMETERS)[number], string>>;

/** A key of a Stream account, which signs playback tokens for all of its videos. */
export interface SigningKey {
  /** As Stream knows it. */
  readonly id: string;
  readonly accountId: string;
  /** When the registry got it; milliseconds since the epoch. */
  readonly created: number;
  readonly jwk: SigningJwk;
}

/** What is in the path of Stream's API: hexadecimal so far. */
export const SIGNING_KEY_ID = /^[\w-]{1,64}$/;

/** Per upstream: one that signs, one that replaces it, and some whose tokens still have to expire. */
export const MAX_SIGNING_KEYS = 5;

/** Until then, other isolates may not have read a new key (`REGISTRY_CACHE_SECONDS` is at most 300), nor all of Stream (assumed). */
export const SIGNS_AFTER_SECONDS = 600;

/** RFC 7518 section 3.3 for RS256. */
const MIN_BITS = 2_048;
/** A signature with a longer key takes more time than a request may. Stream's keys have 2,048 bits. */
const MAX_BITS = 4_096;

const PARAMETERS = ["n", "e", "d", "p", "q", "dp", "dq", "qi"] as const;

/**
 * Chooses the key that signs: the newest one that is old enough, or the oldest if none is.
 *
 * @param keys of one account, newest first
 * @param nowMs milliseconds since the epoch
 */
export function chooseSigningKey<Key extends Pick<SigningKey, "created">>(
  keys: readonly Key[],
  nowMs: number,
): Key | undefined {
  return keys.find(({ created }) => created + SIGNS_AFTER_SECONDS * 1000 <= nowMs) ?? keys.at(-1);
}

/**
 * Reads a private key that can sign with RS256: a JWK, or its JSON in base64, as Stream gives it.
 *
 * @param id the key's; a `kid` must be the same
 * @returns `undefined` if it is anything else
 */
export function readSigningJwk(value: unknown, id: string): SigningJwk | undefined {
  const json = typeof value === "string" ? parseJson(bytesOf(value) ?? new Uint8Array())?.value : value;
  if (!isJsonObject(json)) return undefined;
  const { kty, alg = "RS256", use = "sig", key_ops: operations = ["sign"], kid = id, oth } = json;
  // A key of more than two primes (`oth`) is none that the platform imports.
  if (kty !== "RSA" || alg !== "RS256" || use !== "sig" || kid !== id || oth !== undefined) return undefined;
  if (!Array.isArray(operations) || !operations.includes("sign")) return undefined;
  const parameters = PARAMETERS.flatMap((name) => {
    const text = json[name];
    return typeof text === "string" && /^[\w-]+$/.test(text) ? [[name, text] as const] : [];
  });
  if (parameters.length < PARAMETERS.length) return undefined;
  const jwk = { kty, ...Object.fromEntries(parameters) } as SigningJwk;
  const bits = bitsOf(jwk.n);
  return bits >= MIN_BITS && bits <= MAX_BITS ? jwk : undefined;
}

/** @returns the bytes of a text in base64 or base64url, or `undefined` if it is neither */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function bitsOf(base64url: string): number {
  const bytes = bytesOf(base64url) ?? new Uint8Array();
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first - 1) * 8 + (32 - Math.clz32(bytes[first] ?? 0));
}
