import type { KeyRing, RingKey } from "../../config.ts";
import type { VideoTags } from "../../core/ports/video-tags.ts";
import { secretHashes } from "../auth/hashing.ts";

/** 96 bits cannot be guessed, and are 16 characters without padding. */
const MAC_BYTES = 12;

const utf8 = new TextEncoder();
const DERIVATION = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8.encode("sluice tag") };
const SIGNATURE = { name: "HMAC", hash: "SHA-256", length: 256 };

/** Truncated HMAC-SHA256 under keys that are derived from the master keys: the first signs, all verify. */
export function createVideoTags(ring: KeyRing): VideoTags {
  const derived = new Map<string, CryptoKey>();
  // Stores the key, not its promise: a request must not wait for the work of another one, which may be cancelled.
  const keyFor = async ({ id, bytes }: RingKey) => {
    const key = derived.get(id) ?? (await deriveKey(bytes));
    derived.set(id, key);
    return key;
  };
  const macOf = async (ringKey: RingKey, text: string) => {
    const signature = await crypto.subtle.sign(SIGNATURE.name, await keyFor(ringKey), utf8.encode(text));
    return new Uint8Array(signature, 0, MAC_BYTES).toBase64({ alphabet: "base64url" });
  };

  return {
    async sign(tenant, uploadId) {
      const text = `${tenant}/${uploadId}`;
      return `${text}/${await macOf(ring[0], text)}`;
    },

    async verify({ tenant, uploadId, mac = "" }) {
      for (const key of ring) if (await secretHashes.equal(mac, await macOf(key, `${tenant}/${uploadId}`))) return true;
      return false;
    },
  };
}

async function deriveKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const master = await crypto.subtle.importKey("raw", bytes, DERIVATION.name, false, ["deriveKey"]);
  return crypto.subtle.deriveKey(DERIVATION, master, SIGNATURE, false, ["sign"]);
}
