/**
 * Watches a clock that may go back, for a window of the last seconds. What was counted at later times than the clock shows stays in
 * the window, so that it does not open again. Once the clock has been behind for as long as the window, it was corrected: those
 * times are wrong, and what they count has left the window.
 */
export class LatestTime {
  #latest = 0;
  #behindSince = Infinity;

  /** Something is counted at this time; seconds since the epoch. */
  see(time: number): void {
    this.#latest = Math.max(this.#latest, time);
  }

  /** @returns whether times after `now` are wrong: forget them */
  isCorrected(now: number, windowSeconds: number): boolean {
    this.#behindSince = now < this.#latest ? Math.min(this.#behindSince, now) : Infinity;
    if (now - this.#behindSince < windowSeconds) return false;
    this.#latest = now;
    this.#behindSince = Infinity;
    return true;
  }
}
