import type { StreamSignatures } from "../../core/ports/stream-signatures.ts";

const HMAC_SHA256 = { name: "HMAC", hash: "SHA-256" };

export const streamSignatures: StreamSignatures = {
  /** Compares in constant time (`crypto.subtle.verify`). */
  async isSigned(secrets, { time, signatureHex }, body) {
    const mac = Uint8Array.fromHex(signatureHex);
    const prefix = new TextEncoder().encode(`${time}.`);
    const signed = new Uint8Array(prefix.byteLength + body.byteLength);
    signed.set(prefix);
    signed.set(body, prefix.byteLength);
    const verdicts = await Promise.all(
      secrets.map(async (secret) => {
        const bytes = new TextEncoder().encode(secret);
        const key = await crypto.subtle.importKey("raw", bytes, HMAC_SHA256, false, ["verify"]);
        return crypto.subtle.verify("HMAC", key, mac, signed);
      }),
    );
    return verdicts.includes(true);
  },
};
