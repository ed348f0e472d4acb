import { TENANT_ID } from "../../shared/tenant.ts";

/** With the digest and the hyphen between, as long as a tenant id may be. */
const MAX_SLUG_CHARACTERS = 21;
/** 50 bits. */
const DIGEST_CHARACTERS = 10;
/** Stands for a value without any letter or digit. */
const NO_SLUG = "tenant";

/** RFC 4648 section 6, in lower case. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** What `slugOf` ends with. The digit is for words: `acme-industries` has no such end. */
const DIGEST = `(?=[a-z]{0,${DIGEST_CHARACTERS - 1}}[2-7])[a-z2-7]{${DIGEST_CHARACTERS}}`;
const LOOKS_LIKE_SLUG = new RegExp(`-${DIGEST}$`);

/**
 * Whether a value stays as it is: a tenant id, unless it looks like the slug of another value. Else whoever chooses values could
 * choose the slug of somebody else.
 */
export function isPlainTenantId(value: string): boolean {
  return TENANT_ID.test(value) && !LOOKS_LIKE_SLUG.test(value);
}

/**
 * A tenant id of any text: what can be read of it, and a digest, so that different values are different tenants.
 *
 * @param hash SHA-256 of the value, in hexadecimal
 */
export function slugOf(value: string, hash: string): string {
  const readable = value
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .slice(0, MAX_SLUG_CHARACTERS);
  return `${readable || NO_SLUG}-${digestOf(hash)}`;
}

/** The first ten base32 characters in a row that have a digit: nearly always the first ten. */
function digestOf(hash: string): string {
  // 256 bits and 4 more are 52 characters of 5 bits.
  const digits = (BigInt(`0x${hash}`) << 4n).toString(32).padStart(52, "0");
  const base32 = Array.from(digits, (digit) => BASE32.charAt(parseInt(digit, 32))).join("");
  return new RegExp(DIGEST).exec(`${base32}2`)?.[0] ?? "";
}
