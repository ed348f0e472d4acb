/** Look-ups of a kind that find nothing, in a row. What a cold isolate is really asked for is far less, and is refunded. */
export const MISS_BURST = 200;
export const MISSES_PER_SECOND = 50;

/**
 * How many look-ups may find nothing. Whoever sends made-up names and keys would make the database look for each of
 * them; a bucket of tokens bounds that, and with it for how many names at once. A look-up that finds something gives its
 * token back.
 */
export class NegativeLookupLimiter {
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
    const refill = (Math.max(0, now - this.#filledAt) / 1000) * MISSES_PER_SECOND;
    this.#tokens = Math.min(MISS_BURST, this.#tokens + refill);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Gives a token back. `take` sees to it that there are never more than the burst. */
  refund(): void {
    this.#tokens++;
  }
}
