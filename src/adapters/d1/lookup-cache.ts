import { setBounded } from "../../platform/bounded-map.ts";
import { NegativeLookupLimiter } from "./negative-lookup-limiter.ts";

/** Entries per kind and isolate. An isolate has 128 MB; a tenant with its compiled policy takes a few KB, at most about 20. */
const MAX_KNOWN = 2_000;

/** Names that were looked up and not found. A separate map, so that made-up names never evict real ones. */
const MAX_UNKNOWN = 1_000;

/** A lookup takes milliseconds, and its result is cached. */
const IN_FLIGHT_MS = 1_000;

interface Entry<T> {
  readonly value: T | undefined;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly generation: number;
}

/** The start of a lookup: its value was true then, and may be outdated when the lookup ends. */
export interface Fill {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly generation: number;
}

export interface Cached<T> {
  /** `undefined` if nothing has this name. */
  readonly value: T | undefined;
  /** `false` if the value is too old to use; the entry then only shows that the name was a real one. */
  readonly fresh: boolean;
}

/**
 * What one isolate has looked up, for a limited time, negative results included. Evicts the least recently used entry.
 */
export class LookupCache<T> {
  /** One per kind of name, so that made-up tenants do not block lookups of API keys. */
  readonly limiter: NegativeLookupLimiter;
  readonly #known = new Map<string, Entry<T>>();
  readonly #unknown = new Map<string, Entry<T>>();
  /** Name → when its lookup started; entries stay after the lookup has ended. */
  readonly #inFlight = new Map<string, number>();
  #generation = 0;
  readonly #lifetimeMs: number;
  readonly #now: () => number;

  /**
   * @param lifetimeMs with 0 no entry is ever fresh
   * @param now milliseconds since the epoch
   */
  constructor(lifetimeMs: number, now: () => number) {
    this.#lifetimeMs = lifetimeMs;
    this.#now = now;
    this.limiter = new NegativeLookupLimiter(now);
  }

  get(name: string): Cached<T> | undefined {
    const known = this.#known.get(name);
    if (known) {
      setBounded(this.#known, name, known, MAX_KNOWN);
      return { value: known.value, fresh: this.#isFresh(known) };
    }
    const unknown = this.#unknown.get(name);
    return unknown && this.#isFresh(unknown) ? { value: undefined, fresh: true } : undefined;
  }

  /**
   * Asks to look up a name that may be made up. Many requests for the same name within `IN_FLIGHT_MS` count as one negative
   * lookup: the later ones join the first.
   *
   * @returns `started`: a token was taken, to be refunded if the name is found; `limited`: there was no token
   */
  startLookup(name: string): "started" | "joined" | "limited" {
    const [since, now] = [this.#inFlight.get(name), this.#now()];
    if (since !== undefined && now - since < IN_FLIGHT_MS) return "joined";
    if (!this.limiter.take()) return "limited";
    setBounded(this.#inFlight, name, now, MAX_UNKNOWN);
    return "started";
  }

  begin(): Fill {
    return { since: this.#now(), generation: this.#generation };
  }

  set(name: string, value: T | undefined, { since, generation }: Fill): void {
    const entry = { value, until: since + this.#lifetimeMs, generation };
    const [home, other] = value === undefined ? [this.#unknown, this.#known] : [this.#known, this.#unknown];
    other.delete(name);
    setBounded(home, name, entry, value === undefined ? MAX_UNKNOWN : MAX_KNOWN);
  }

  /** Makes all entries stale, including those of lookups in progress. Known names stay known. */
  expire(): void {
    this.#generation++;
  }

  #isFresh({ until, generation }: Entry<T>): boolean {
    return generation === this.#generation && until > this.#now();
  }
}
