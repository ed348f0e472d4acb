import { CompactSign, importJWK } from "jose";
import type { PlaybackTokens } from "../../core/ports/playback-tokens.ts";
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

  return {
    async sign({ id, jwk }, uid, claims) {
      // Another key may be put under the same id, after the first one was deleted.
      const name = `${id} ${jwk.n}`;
      const key = imported.get(name) ?? (await importJWK({ ...jwk }, ALGORITHM));
      setBounded(imported, name, key, MAX_KEYS);
      return sign(key, id, { sub: uid, kid: id, ...claims });
    },

    async canSign({ id, jwk }) {
      try {
        // Not one that was imported before: that may have had the same modulus, and the rest of this one be broken.
        await sign(await importJWK({ ...jwk }, ALGORITHM), id, {});
        return true;
      } catch {
        return false;
      }
    },
  };
}

function sign(key: CryptoKey, kid: string, claims: object): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: ALGORITHM, kid })
    .sign(key);
}
