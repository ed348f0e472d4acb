import type { SecretHashes } from "../../core/ports/hashes.ts";

export const secretHashes: SecretHashes = {
  digest: async (text) => new Uint8Array(await sha256(text)).toHex(),

  async matches(text, hash) {
    const presented = await sha256(text);
    return presented.byteLength === hash.byteLength && crypto.subtle.timingSafeEqual(presented, hash);
  },
};

const utf8 = new TextEncoder();

/** Enough for secrets of 256 random bits; a slow hash is for passwords. */
export function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", utf8.encode(text));
}
