import type { JWK } from "jose";

/** How long the keys of a provider are used while it is down. */
export const KEPT_KEYS_SECONDS = 24 * 60 * 60;

export interface KeptKeySet {
  readonly keys: readonly JWK[];
  /** Milliseconds since the epoch. */
  readonly readAt: number;
}

/** The Cache API keeps entries by URL. Not `caches.default`: that one also answers requests from outside. */
const open = () => caches.open("issuer-keys");
const urlOf = (name: string) => `https://keys.invalid/${encodeURIComponent(name)}`;

/** Keeps a key set for other isolates of the data center: they may start while its provider is down. */
export async function keepKeySet(name: string, keySet: object): Promise<void> {
  const headers = { "Cache-Control": `max-age=${KEPT_KEYS_SECONDS}` };
  try {
    await (await open()).put(urlOf(name), Response.json(keySet, { headers }));
  } catch {
    // Only this isolate has the keys then.
  }
}

export async function keptKeySet(name: string): Promise<KeptKeySet | undefined> {
  try {
    return await (await (await open()).match(urlOf(name)))?.json<KeptKeySet>();
  } catch {
    return undefined;
  }
}
