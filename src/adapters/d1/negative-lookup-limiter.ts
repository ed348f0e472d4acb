/** Negative lookups of one kind in a row. A cold isolate needs far fewer, and its positive ones are refunded. */
export const MISS_BURST = 200;
export const MISSES_PER_SECOND = 50;

/**
 * Limits lookups that find nothing, as a token bucket: a client that sends made-up names would otherwise cause one database query
 * each. A lookup takes a token before it starts and gives it back if it finds something, so the bucket also bounds how many run
 * at once.
 */
export class NegativeLookupLimiter {
  #tokens = MISS_BURST;
  #refilledAt: number;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
    this.#refilledAt = now();
  }

  /** @returns `false` if there is no token */
  take(): boolean {
    const now = this.#now();
    const refill = (Math.max(0, now - this.#refilledAt) / 1000) * MISSES_PER_SECOND;
    this.#tokens = Math.min(MISS_BURST, this.#tokens + refill);
    this.#refilledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Gives a token back. `take` caps the bucket at the burst. */
  refund(): void {
    this.#tokens++;
  }
}
