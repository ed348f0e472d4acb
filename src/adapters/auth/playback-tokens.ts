import { CompactSign, importJWK } from "jose";
import type { PlaybackTokens } from "../../core/ports/playback-tokens.ts";
import type { SigningKey } from "../../core/playback/rules/signing-key.ts";
import { setBounded } from "../../platform/bounded-map.ts";

const ALGORITHM = "RS256";

/** Imported keys per isolate: an import takes as long as a signature. */
const MAX_KEYS = 100;

/**
 * Signs playback tokens with `jose`.
 *
 * @see https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/
 */
export function createPlaybackTokens(): PlaybackTokens {
  const imported = new Map<string, CryptoKey>();

  async function importKey({ id, jwk }: Pick<SigningKey, "id" | "jwk">): Promise<CryptoKey> {
    // Another key may be put under the same id, after the first one was deleted.
    const name = `${id} ${jwk.n}`;
    const key = imported.get(name) ?? (await importJWK({ ...jwk }, ALGORITHM));
    setBounded(imported, name, key, MAX_KEYS);
    return key;
  }

  async function sign(key: Pick<SigningKey, "id" | "jwk">, claims: object): Promise<string> {
    return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: ALGORITHM, kid: key.id })
      .sign(await importKey(key));
  }

  return {
    sign: (key, uid, claims) => sign(key, { sub: uid, kid: key.id, ...claims }),

    async canSign(key) {
      try {
        await sign(key, {});
        return true;
      } catch {
        return false;
      }
    },
  };
}
