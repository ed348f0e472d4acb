import { setBounded } from "../../platform/bounded-map.ts";
import { NegativeLookupLimiter } from "./negative-lookup-limiter.ts";

/** Entries per kind and isolate: an isolate has 128 MB, a tenant with its compiled policy takes a few KB to some 20. */
const MAX_KNOWN = 2_000;

/** Names that nothing was found for. Kept apart, so that made-up names never push real ones out. */
const MAX_UNKNOWN = 1_000;

/** A look-up takes milliseconds, and when it has found nothing, that is known. */
const IN_FLIGHT_MS = 1_000;

interface Entry<T> {
  readonly value: T | undefined;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly generation: number;
}

/** When a look-up began: what it finds was true then, and may not be by the time it has been found. */
export interface Fill {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly generation: number;
}

export interface Cached<T> {
  /** Undefined: there is nothing by that name. */
  readonly value: T | undefined;
  /** False: too old to decide by; it only tells that the name was a real one. */
  readonly fresh: boolean;
}

/**
 * What an isolate has looked up, for a bounded time: the age of what requests are decided by. Answers that there is
 * nothing are kept too. The least recently used entry gives way.
 */
export class LookupCache<T> {
  /** Of its own, so that whoever makes up tenants keeps no keys from being found. */
  readonly misses: NegativeLookupLimiter;
  readonly #known = new Map<string, Entry<T>>();
  readonly #unknown = new Map<string, Entry<T>>();
  /** Names that are being looked for, or were a moment ago, and since when. */
  readonly #inFlight = new Map<string, number>();
  #generation = 0;
  readonly #lifetimeMs: number;
  readonly #now: () => number;

  /**
   * @param lifetimeMs with 0 nothing is ever fresh
   * @param now milliseconds since the epoch
   */
  constructor(lifetimeMs: number, now: () => number) {
    this.#lifetimeMs = lifetimeMs;
    this.#now = now;
    this.misses = new NegativeLookupLimiter(now);
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
   * Whether a name may be looked for that may be made up. A crowd that comes for one name is one look-up that may find
   * nothing, and not as many as there are in it: who joins in is let through.
   */
  startLookup(name: string): "begins" | "joins in" | "too many" {
    const [since, now] = [this.#inFlight.get(name), this.#now()];
    if (since !== undefined && now - since < IN_FLIGHT_MS) return "joins in";
    if (!this.misses.take()) return "too many";
    setBounded(this.#inFlight, name, now, MAX_UNKNOWN);
    return "begins";
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

  /** Nothing is fresh any longer, nor will be what look-ups under way still find. Real names stay known as such. */
  expire(): void {
    this.#generation++;
  }

  #isFresh({ until, generation }: Entry<T>): boolean {
    return generation === this.#generation && until > this.#now();
  }
}
