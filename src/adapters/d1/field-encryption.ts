import type { KeyRing, RingKey } from "../../config.ts";

/** Encrypts what D1 keeps of others' secrets, bound to the place where it is kept. */
export interface FieldEncryption {
  /** @param place e.g. `upstream:eu`: a sealed text that is moved to another row does not open */
  seal(text: string, place: string): Promise<string>;
  /** Undefined for what does not open: another key, another place, or changed. */
  open(sealed: string, place: string): Promise<string | undefined>;
}

const VERSION = "v1";
/** What AES-GCM is specified for; drawn at random, good for 2³² seals under one key. */
const IV_BYTES = 12;

/** AES-256-GCM under a ring of master keys: the first seals, all open. Format: `v1.<key id>.<base64url of IV and text>`. */
export function createFieldEncryption(ring: KeyRing): FieldEncryption {
  const imported = new Map<string, CryptoKey>();
  // The key is kept, not its promise: a request must never wait for another's work, which may be cancelled with it.
  const keyFor = async ({ id, bytes }: RingKey) => {
    const key =
      imported.get(id) ?? (await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]));
    imported.set(id, key);
    return key;
  };

  return {
    async seal(text, place) {
      const [key] = ring;
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const bytes = new TextEncoder().encode(text);
      const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm(iv, place), await keyFor(key), bytes));
      const whole = new Uint8Array(IV_BYTES + sealed.byteLength);
      whole.set(iv);
      whole.set(sealed, IV_BYTES);
      return `${VERSION}.${key.id}.${whole.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    },

    async open(sealed, place) {
      const [version, id, base64] = sealed.split(".");
      const key = ring.find((one) => one.id === id);
      if (version !== VERSION || !key || base64 === undefined) return undefined;
      try {
        const whole = Uint8Array.fromBase64(base64, { alphabet: "base64url" });
        const iv = whole.slice(0, IV_BYTES);
        const text = await crypto.subtle.decrypt(algorithm(iv, place), await keyFor(key), whole.slice(IV_BYTES));
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
      } catch {
        return undefined;
      }
    },
  };
}

function algorithm(iv: Uint8Array<ArrayBuffer>, place: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(place) };
}
