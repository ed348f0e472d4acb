/**
 * "1,200 calls per 5 minutes per user, over all tokens; beyond it every call is blocked for 5 minutes." [C] That the window
 * slides is [U].
 */
export class ApiLimit {
  #calls: number[] = [];
  #blockedUntil = 0;
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #blockMs: number;

  constructor({ apiLimit, apiWindowMs, apiBlockMs }: { apiLimit: number; apiWindowMs: number; apiBlockMs: number }) {
    this.#limit = apiLimit;
    this.#windowMs = apiWindowMs;
    this.#blockMs = apiBlockMs;
  }

  /**
   * Counts a call.
   *
   * @param now milliseconds since the epoch
   * @returns the seconds for which all calls are blocked, if the limit is exceeded
   */
  count(now: number): number | undefined {
    if (now >= this.#blockedUntil) {
      // Calls are in order of time, so the search starts at the oldest.
      const first = this.#calls.findIndex((at) => at > now - this.#windowMs);
      this.#calls = first < 0 ? [] : this.#calls.slice(first);
      if (this.#calls.length < this.#limit) {
        this.#calls.push(now);
        return undefined;
      }
      this.#blockedUntil = now + this.#blockMs;
    }
    return Math.ceil((this.#blockedUntil - now) / 1000);
  }

  clear(): void {
    this.#calls = [];
    this.#blockedUntil = 0;
  }
}
