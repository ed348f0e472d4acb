import type { Scope } from "./scopes.ts";
import { crc32 } from "./crc32.ts";

/**
 * An API key: `slu_<keyId>_<secret><checksum>`.
 *
 * keyId is 16 and secret 43 characters of [A-Za-z0-9]: the id finds the row, the secret (256 bits) authenticates. The
 * checksum is the CRC-32 of everything before it, in base 62, six characters: malformed and mistyped keys are refused
 * without a look-up, and secret scanners can recognise keys. It authenticates nothing.
 *
 * @see https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
 */
export interface ApiKey {
  readonly id: string;
  /** The whole key: the text that is hashed and compared. */
  readonly text: string;
}

export const API_KEY_ID_CHARACTERS = 16;
export const API_KEY_SECRET_CHARACTERS = 43;

const API_KEY = /^slu_([A-Za-z0-9]{16})_[A-Za-z0-9]{49}$/;
const CHECKSUM_CHARACTERS = 6;

/** @returns `undefined` if `text` has another form or a wrong checksum */
export function parseApiKey(text: string): ApiKey | undefined {
  const id = API_KEY.exec(text)?.[1];
  if (id === undefined) return undefined;
  const checksum = text.slice(-CHECKSUM_CHARACTERS);
  return checksum === apiKeyChecksum(text.slice(0, -CHECKSUM_CHARACTERS)) ? { id, text } : undefined;
}

/** Builds a key from an id and a secret: random base-62 text of the lengths above. */
export function formatApiKey(id: string, secret: string): ApiKey {
  const body = `slu_${id}_${secret}`;
  return { id, text: body + apiKeyChecksum(body) };
}

function apiKeyChecksum(body: string): string {
  let remainder = crc32(body);
  let digits = "";
  for (let place = 0; place < CHECKSUM_CHARACTERS; place++) {
    digits = BASE62.charAt(remainder % BASE62.length) + digits;
    remainder = Math.floor(remainder / BASE62.length);
  }
  return digits;
}

export const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** An API key as the registry stores it. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the key's text. */
  readonly hash: Uint8Array;
  readonly scopes: ReadonlySet<Scope>;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly revoked: boolean;
  /** The tenant's version when the key was read. */
  readonly version: number;
}
