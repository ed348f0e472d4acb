import { type JWTVerifyGetKey, createLocalJWKSet, createRemoteJWKSet, customFetch, errors } from "jose";
import { isSafeUrl } from "../../core/shared/safe-url.ts";
import { errorMessage } from "../../core/shared/text.ts";
import type { Issuer } from "../../core/auth/rules/issuer.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import { readBounded } from "../../platform/read-bounded.ts";

/** The keys could not be had: nothing is known about the token. */
export class JwksUnavailable extends Error {
  override readonly name = "JwksUnavailable";
}

/** A key that a provider withdraws is believed for so long at the most. */
const JWKS_MAX_AGE_MS = 10 * 60 * 1000;
/** Tokens with made-up `kid`s make no more than one request in this time. */
const JWKS_COOLDOWN_MS = 30 * 1000;
const JWKS_TIMEOUT_MS = 5_000;

/** After a failure a provider is left alone for so long: not every token with its name is worth a try. */
const JWKS_RETRY_MS = 10 * 1000;
/** Large providers publish a dozen keys, about 20 KB. */
const MAX_JWKS_BYTES = 128 * 1024;
/** Key sets kept by an isolate; the oldest gives way. */
const MAX_KEY_SETS = 500;

/** Where the verification keys of an issuer come from; remote and parsed sets are kept for the isolate's life. */
export function createKeySource(allowLoopback: boolean): (issuer: Issuer) => JWTVerifyGetKey | Uint8Array {
  const keySets = new Map<string, JWTVerifyGetKey>();

  function remember(name: string, make: () => JWTVerifyGetKey): JWTVerifyGetKey {
    const known = keySets.get(name);
    if (known) return known;
    const made = make();
    setBounded(keySets, name, made, MAX_KEY_SETS);
    return made;
  }

  return ({ keys }) => {
    switch (keys.kind) {
      case "secret":
        return keys.secret;
      case "jwks":
        return remember(JSON.stringify(keys.jwks), () => createLocalJWKSet({ keys: [...keys.jwks.keys] }));
      case "jwks-url":
        return remember(keys.url, () => remoteKeySet(keys.url, allowLoopback));
      default:
        return keys satisfies never;
    }
  };
}

function remoteKeySet(url: string, allowLoopback: boolean): JWTVerifyGetKey {
  let failed: { readonly error: JwksUnavailable; readonly until: number } | undefined;
  const keySet = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: JWKS_MAX_AGE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    timeoutDuration: JWKS_TIMEOUT_MS,
    [customFetch]: async (target, init) => {
      // Here and not before: tokens whose key is known already need no provider.
      if (failed && Date.now() < failed.until) throw failed.error;
      // Checked when it was configured; here again, because a setting may have changed since.
      if (!isSafeUrl(target, allowLoopback)) throw new JwksUnavailable("The JWKS URL is not https.");
      const response = await fetch(target, init);
      const body = await readBounded(response.body, MAX_JWKS_BYTES);
      if (body === undefined) throw new JwksUnavailable(`The key set is larger than ${MAX_JWKS_BYTES} bytes.`);
      return new Response(body, response);
    },
  });

  return async (header, token) => {
    try {
      return await keySet(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported || error === failed?.error) throw error;
      failed = { error: new JwksUnavailable(errorMessage(error), { cause: error }), until: Date.now() + JWKS_RETRY_MS };
      throw failed.error;
    }
  };
}
