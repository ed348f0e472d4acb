import type { StreamSignature } from "../../core/stream/rules/webhook-signature.ts";

const HMAC_SHA256 = { name: "HMAC", hash: "SHA-256" };

/** Whether one of the secrets has signed these bytes at that time. Compared in constant time, by `crypto.subtle`. */
export async function isSignedByStream(
  secrets: readonly string[],
  { time, signatureHex }: StreamSignature,
  body: Uint8Array,
): Promise<boolean> {
  const mac = Uint8Array.fromHex(signatureHex);
  const prefix = new TextEncoder().encode(`${time}.`);
  const signed = new Uint8Array(prefix.byteLength + body.byteLength);
  signed.set(prefix);
  signed.set(body, prefix.byteLength);
  const verdicts = await Promise.all(
    secrets.map(async (secret) => {
      const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), HMAC_SHA256, false, [
        "verify",
      ]);
      return crypto.subtle.verify("HMAC", key, mac, signed);
    }),
  );
  return verdicts.includes(true);
}
