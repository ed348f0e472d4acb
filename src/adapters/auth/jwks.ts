import type { JWK } from "jose";
import { type Issuer, discoveryUrl } from "../../core/auth/rules/issuer.ts";
import { mayFetch } from "../../core/shared/fetched-url.ts";
import { isJsonObject, parseJson } from "../../core/shared/json.ts";
import { errorMessage, truncate } from "../../core/shared/text.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { KEPT_KEYS_SECONDS, keepKeySet, keptKeySet } from "./kept-key-sets.ts";

/** The key set could not be read, so the token is neither valid nor invalid. */
export class JwksUnavailable extends Error {
  override readonly name = "JwksUnavailable";
  /** Whether the provider has given no answer, which says nothing of its keys. */
  readonly isDown: boolean;
  constructor(message: string, isDown = false) {
    super(message);
    this.isDown = isDown;
  }
}

/** A key that a provider removes is trusted for this time at most. */
const JWKS_MAX_AGE_MS = 10 * 60 * 1000;
/** Tokens with unknown keys cause at most one request in this time. */
const JWKS_COOLDOWN_MS = 30 * 1000;
/** For the discovery document and the key set together. */
const JWKS_TIMEOUT_MS = 5_000;
/** How often a request looks whether another one has read the keys. */
const JWKS_POLL_MS = 50;
/** After a failure there is no request for this time, so that a provider that is down does not slow down every token. */
const JWKS_RETRY_MS = 10 * 1000;
/** Large providers publish a dozen keys, about 20 KB; a discovery document has about 5 KB. */
const MAX_JWKS_BYTES = 128 * 1024;
/** Key sets per isolate; the oldest is evicted. */
const MAX_KEY_SETS = 500;

export interface KeySet {
  /** JWKs, or shared secrets. The JWKs are always the same objects, by which `jose` caches imported keys. */
  readonly keys: readonly (JWK | Uint8Array)[];
  /** Milliseconds since the epoch; absent for keys that the issuer's document has. */
  readonly readAt?: number;
  /** The provider is down, and the keys are older than they would be otherwise. */
  readonly isStale?: boolean;
}

/**
 * Returns the keys of an issuer.
 *
 * @param fresh asks the provider again for a key that is not among those of before, unless that was just done
 * @throws JwksUnavailable
 */
export type KeySource = (issuer: Issuer, fresh?: boolean) => KeySet | Promise<KeySet>;

/** Remote and parsed key sets are cached for the lifetime of the isolate. */
export function createKeySource(allowLoopback: boolean): KeySource {
  const keySets = new Map<string, KeySource>();

  function cached(name: string, create: (name: string) => KeySource): KeySource {
    const existing = keySets.get(name);
    if (existing) return existing;
    const keySet = create(name);
    setBounded(keySets, name, keySet, MAX_KEY_SETS);
    return keySet;
  }

  async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
    // Checked when it was configured, but perhaps by another version, or before the setting for loopback changed.
    if (!mayFetch(url, allowLoopback)) throw new Error(`the URL is not allowed: ${truncate(url)}`);
    const headers = { Accept: "application/json, application/jwk-set+json" };
    const answer = await attemptFetch(() => fetch(url, { headers, redirect: "manual", signal }));
    const { status } = answer;
    if (status !== 200)
      throw new JwksUnavailable(`${truncate(url)} answered ${status}`, status >= 500 || status === 429);
    const body = await attemptFetch(() => readBounded(answer.body, MAX_JWKS_BYTES));
    if (body === undefined) throw new Error(`${truncate(url)} answered more than ${MAX_JWKS_BYTES} bytes`);
    return parseJson(body)?.value;
  }

  async function fetchKeySet(url: string, signal: AbortSignal): Promise<readonly JWK[]> {
    const keySet = await fetchJson(url, signal);
    const keys = isJsonObject(keySet) ? keySet["keys"] : undefined;
    if (!Array.isArray(keys)) throw new Error(`${truncate(url)} has no key set`);
    return keys.filter(isJsonObject);
  }

  async function discoverKeySet(iss: string, signal: AbortSignal): Promise<readonly JWK[]> {
    const document = await fetchJson(discoveryUrl(iss), signal);
    const { issuer, jwks_uri: url } = isJsonObject(document) ? document : {};
    // Section 4.3: "The issuer value returned MUST be identical to the Issuer URL that was used".
    if (issuer !== iss) throw new Error(`the discovery document is of the issuer "${truncate(String(issuer))}"`);
    if (typeof url !== "string") throw new Error("the discovery document has no jwks_uri");
    return fetchKeySet(url, signal);
  }

  return (issuer, fresh) => {
    const { keys, iss } = issuer;
    switch (keys.kind) {
      case "secrets":
        return { keys: keys.secrets };
      case "jwks":
        return cached(JSON.stringify(keys.jwks), () => () => ({ keys: keys.jwks.keys }))(issuer);
      case "discovery":
        return cached(`discovery ${iss}`, (name) => remoteKeySet(name, (signal) => discoverKeySet(iss, signal)))(
          issuer,
          fresh,
        );
      case "jwks-url":
        return cached(keys.url, (name) => remoteKeySet(name, (signal) => fetchKeySet(keys.url, signal)))(issuer, fresh);
      default:
        return keys satisfies never;
    }
  };
}

async function attemptFetch<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new JwksUnavailable(errorMessage(error), true);
  }
}

/**
 * The keys of a provider. While they are younger than `JWKS_MAX_AGE_MS`, tokens with a known key need no request. While the
 * provider is down, they are used for a day. One request reads the keys at a time. Others wait for its result with a timer: a
 * Worker cannot wait for the I/O of another request, which may also end without a result.
 */
function remoteKeySet(name: string, load: (signal: AbortSignal) => Promise<readonly JWK[]>): KeySource {
  let current: Required<Omit<KeySet, "isStale">> | undefined;
  let failure: { readonly error: JwksUnavailable; readonly until: number } | undefined;
  let readingUntil = 0;

  const read = async () => {
    readingUntil = Date.now() + JWKS_TIMEOUT_MS;
    try {
      current = { keys: await load(AbortSignal.timeout(JWKS_TIMEOUT_MS)), readAt: Date.now() };
      failure = undefined;
      readingUntil = 0;
      await keepKeySet(name, current);
    } catch (cause) {
      const error = cause instanceof JwksUnavailable ? cause : new JwksUnavailable(errorMessage(cause));
      const kept = error.isDown ? await keptKeySet(name) : undefined;
      if (kept && kept.readAt > (current?.readAt ?? 0)) current = kept;
      failure = { error, until: Date.now() + JWKS_RETRY_MS };
      readingUntil = 0;
    }
  };

  return async (_, fresh) => {
    const maxAge = fresh ? JWKS_COOLDOWN_MS : JWKS_MAX_AGE_MS;
    for (;;) {
      if (current && Date.now() < current.readAt + maxAge) return current;
      if (failure && Date.now() < failure.until) {
        const isUsable = failure.error.isDown && !fresh;
        if (isUsable && current && Date.now() < current.readAt + KEPT_KEYS_SECONDS * 1000)
          return { ...current, isStale: true };
        throw failure.error;
      }
      await (Date.now() < readingUntil ? scheduler.wait(JWKS_POLL_MS) : read());
    }
  };
}
