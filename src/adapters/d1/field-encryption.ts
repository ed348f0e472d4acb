import type { KeyRing, RingKey } from "../../config.ts";

/** Encrypts secrets that are stored in D1. Each is bound to its row. */
export interface FieldEncryption {
  /** @param context e.g. `upstream:eu`: authenticated with the text, so that a sealed text cannot be moved to another row */
  seal(text: string, context: string): Promise<string>;
  /** @returns `undefined` if the key or the context is another one, or the text was changed */
  open(sealed: string, context: string): Promise<string | undefined>;
}

const VERSION = "v1";
/** The size that AES-GCM is specified for. IVs are random, which is safe for up to 2³² seals per key. */
const IV_BYTES = 12;

/** AES-256-GCM with a ring of master keys: the first key seals, all can open. Format: `v1.<key id>.<base64url of IV and text>`. */
export function createFieldEncryption(ring: KeyRing): FieldEncryption {
  const imported = new Map<string, CryptoKey>();
  // Stores the key, not its promise: a request must not wait for the work of another one, which may be cancelled.
  const keyFor = async ({ id, bytes }: RingKey) => {
    const key =
      imported.get(id) ?? (await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]));
    imported.set(id, key);
    return key;
  };

  return {
    async seal(text, context) {
      const [key] = ring;
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const bytes = new TextEncoder().encode(text);
      const encrypted = new Uint8Array(await crypto.subtle.encrypt(algorithm(iv, context), await keyFor(key), bytes));
      const sealed = new Uint8Array(IV_BYTES + encrypted.byteLength);
      sealed.set(iv);
      sealed.set(encrypted, IV_BYTES);
      return `${VERSION}.${key.id}.${sealed.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    },

    async open(sealed, context) {
      const [version, id, base64] = sealed.split(".");
      const key = ring.find((ringKey) => ringKey.id === id);
      if (version !== VERSION || !key || base64 === undefined) return undefined;
      try {
        const bytes = Uint8Array.fromBase64(base64, { alphabet: "base64url" });
        const iv = bytes.slice(0, IV_BYTES);
        const text = await crypto.subtle.decrypt(algorithm(iv, context), await keyFor(key), bytes.slice(IV_BYTES));
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
      } catch {
        return undefined;
      }
    },
  };
}

function algorithm(iv: Uint8Array<ArrayBuffer>, context: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
}
