/** Entries per kind and isolate: an isolate has 128 MB, a tenant with its policy a few KB. */
const MAX_ENTRIES = 5_000;

/**
 * What an isolate has looked up, for a bounded time: the age of what requests are decided by. Answers that there is
 * nothing are kept too. The least recently used entry gives way; a Map keeps its keys in the order of their insertion.
 */
export class LookupCache<T> {
  readonly #entries = new Map<string, { readonly value: T | undefined; readonly until: number }>();
  readonly #lifetimeMs: number;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(lifetimeMs: number, now: () => number) {
    this.#lifetimeMs = lifetimeMs;
    this.#now = now;
  }

  get(key: string): { readonly value: T | undefined } | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.#now()) return undefined;
    this.#entries.set(key, entry);
    return entry;
  }

  set(key: string, value: T | undefined): void {
    if (this.#lifetimeMs === 0) return;
    this.#entries.delete(key);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= MAX_ENTRIES) this.#entries.delete(oldest);
    this.#entries.set(key, { value, until: this.#now() + this.#lifetimeMs });
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Look-ups of an isolate that find nothing, in a row. A cold isolate's real tenants are far fewer, and are refunded. */
const MISS_BURST = 200;
const MISSES_PER_SECOND = 50;

/**
 * How many look-ups may find nothing. Whoever sends made-up names and keys would make the database look for each of
 * them; a bucket of tokens bounds that. A look-up that finds something gives its token back, so names that exist are
 * never held up by their number.
 */
export class MissBudget {
  #tokens = MISS_BURST;
  #filledAt: number;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
    this.#filledAt = now();
  }

  /** Takes a token; false where there is none. */
  take(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(MISS_BURST, this.#tokens + ((now - this.#filledAt) / 1000) * MISSES_PER_SECOND);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  refund(): void {
    this.#tokens = Math.min(MISS_BURST, this.#tokens + 1);
  }
}
