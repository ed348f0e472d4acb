import { type JWTVerifyGetKey, createLocalJWKSet, createRemoteJWKSet, customFetch, errors } from "jose";
import { mayFetch } from "../../core/shared/fetched-url.ts";
import { errorMessage } from "../../core/shared/text.ts";
import type { Issuer } from "../../core/auth/rules/issuer.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import { readBounded } from "../../platform/read-bounded.ts";

/** The key set could not be read, so the token is neither valid nor invalid. */
export class JwksUnavailable extends Error {
  override readonly name = "JwksUnavailable";
}

/** A key that a provider removes is trusted for this time at most. */
const JWKS_MAX_AGE_MS = 10 * 60 * 1000;
/** Tokens with unknown `kid`s cause at most one request in this time. */
const JWKS_COOLDOWN_MS = 30 * 1000;
const JWKS_TIMEOUT_MS = 5_000;
/** After a failure there is no request for this time, so that a provider that is down does not slow down every token. */
const JWKS_RETRY_MS = 10 * 1000;
/** Large providers publish a dozen keys, about 20 KB. */
const MAX_JWKS_BYTES = 128 * 1024;
/** Key sets per isolate; the oldest is evicted. */
const MAX_KEY_SETS = 500;

/** Returns the verification keys of an issuer. Remote and parsed key sets are cached for the lifetime of the isolate. */
export function createKeySource(allowLoopback: boolean): (issuer: Issuer) => JWTVerifyGetKey | Uint8Array {
  const keySets = new Map<string, JWTVerifyGetKey>();

  function cached(name: string, create: () => JWTVerifyGetKey): JWTVerifyGetKey {
    const existing = keySets.get(name);
    if (existing) return existing;
    const keySet = create();
    setBounded(keySets, name, keySet, MAX_KEY_SETS);
    return keySet;
  }

  return ({ keys }) => {
    switch (keys.kind) {
      case "secret":
        return keys.secret;
      case "jwks":
        return cached(JSON.stringify(keys.jwks), () => createLocalJWKSet({ keys: [...keys.jwks.keys] }));
      case "jwks-url":
        return cached(keys.url, () => remoteKeySet(keys.url, allowLoopback));
      default:
        return keys satisfies never;
    }
  };
}

function remoteKeySet(url: string, allowLoopback: boolean): JWTVerifyGetKey {
  let lastFailure: { readonly error: JwksUnavailable; readonly until: number } | undefined;
  const keySet = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: JWKS_MAX_AGE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    timeoutDuration: JWKS_TIMEOUT_MS,
    [customFetch]: async (target, init) => {
      // Checked here, where a request is needed: tokens with a cached key stay valid while the provider is down.
      if (lastFailure && Date.now() < lastFailure.until) throw lastFailure.error;
      // Checked when it was configured, but perhaps by another version, or before the setting for loopback changed.
      if (!mayFetch(target, allowLoopback)) throw new JwksUnavailable("The JWKS URL is not allowed.");
      const response = await fetch(target, init);
      const body = await readBounded(response.body, MAX_JWKS_BYTES);
      if (body === undefined) throw new JwksUnavailable(`The key set must have at most ${MAX_JWKS_BYTES} bytes.`);
      return new Response(body, response);
    },
  });

  return async (header, token) => {
    try {
      return await keySet(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported || error === lastFailure?.error) throw error;
      const unavailable = new JwksUnavailable(errorMessage(error), { cause: error });
      lastFailure = { error: unavailable, until: Date.now() + JWKS_RETRY_MS };
      throw unavailable;
    }
  };
}
