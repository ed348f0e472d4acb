import { type JSONWebKeySet, type JWTVerifyGetKey, createLocalJWKSet } from "jose";
import { JWKSNoMatchingKey } from "jose/errors";
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
/** How often a request looks whether another one has read the keys. */
const JWKS_POLL_MS = 50;
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
      case "secrets":
        return keys.secrets[0] ?? new Uint8Array();
      case "discovery":
        return () => Promise.reject(new JwksUnavailable("discovery is not supported yet"));
      case "jwks":
        return cached(JSON.stringify(keys.jwks), () => createLocalJWKSet({ keys: [...keys.jwks.keys] }));
      case "jwks-url":
        return cached(keys.url, () => remoteKeySet(keys.url, allowLoopback));
      default:
        return keys satisfies never;
    }
  };
}

/**
 * The keys at a URL. While they are younger than `JWKS_MAX_AGE_MS`, tokens with a known `kid` need no request, so they stay valid
 * while the provider is down. One request reads the keys at a time. Others wait for its result with a timer: a Worker cannot wait
 * for the I/O of another request, which may also end without a result.
 */
function remoteKeySet(url: string, allowLoopback: boolean): JWTVerifyGetKey {
  let current: { readonly keyOf: JWTVerifyGetKey; readonly readAt: number } | undefined;
  let failure: { readonly error: JwksUnavailable; readonly until: number } | undefined;
  let readingUntil = 0;

  const read = async () => {
    readingUntil = Date.now() + JWKS_TIMEOUT_MS;
    try {
      current = { keyOf: createLocalJWKSet(await fetchKeySet(url, allowLoopback)), readAt: Date.now() };
    } catch (cause) {
      failure = { error: new JwksUnavailable(errorMessage(cause), { cause }), until: Date.now() + JWKS_RETRY_MS };
    }
    readingUntil = 0;
  };

  /** Keys that are younger than this. */
  const keysWithin = async (milliseconds: number) => {
    for (;;) {
      if (current && Date.now() < current.readAt + milliseconds) return current.keyOf;
      if (failure && Date.now() < failure.until) throw failure.error;
      await (Date.now() < readingUntil ? scheduler.wait(JWKS_POLL_MS) : read());
    }
  };

  return async (header, token) => {
    const keyOf = await keysWithin(JWKS_MAX_AGE_MS);
    try {
      return await keyOf(header, token);
    } catch (error) {
      if (!(error instanceof JWKSNoMatchingKey)) throw error;
      return (await keysWithin(JWKS_COOLDOWN_MS))(header, token);
    }
  };
}

async function fetchKeySet(url: string, allowLoopback: boolean): Promise<JSONWebKeySet> {
  // Checked when it was configured, but perhaps by another version, or before the setting for loopback changed.
  if (!mayFetch(url, allowLoopback)) throw new Error("the URL is not allowed");
  const response = await fetch(url, {
    headers: { Accept: "application/json, application/jwk-set+json" },
    redirect: "manual",
    signal: AbortSignal.timeout(JWKS_TIMEOUT_MS),
  });
  if (response.status !== 200) throw new Error(`The JWKS URL answered ${response.status}.`);
  const body = await readBounded(response.body, MAX_JWKS_BYTES);
  if (body === undefined) throw new Error(`The key set must have at most ${MAX_JWKS_BYTES} bytes.`);
  return new Response(body).json<JSONWebKeySet>();
}
