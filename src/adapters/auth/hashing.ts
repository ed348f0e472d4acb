import type { SecretHashes } from "../../core/ports/hashes.ts";

export const secretHashes: SecretHashes = {
  digest: async (text) => new Uint8Array(await sha256(text)).toHex(),
  shortDigest: async (text) =>
    new Uint8Array(await sha256(text)).toBase64({ alphabet: "base64url", omitPadding: true }),

  async matches(text, hash) {
    const presented = await sha256(text);
    return presented.byteLength === hash.byteLength && crypto.subtle.timingSafeEqual(presented, hash);
  },

  async equal(a, b) {
    const [first, second] = await Promise.all([sha256(a), sha256(b)]);
    return crypto.subtle.timingSafeEqual(first, second);
  },
};

const utf8 = new TextEncoder();

/** A fast hash is enough for secrets of 256 random bits; slow hashes are for passwords. */
function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", utf8.encode(text));
}
