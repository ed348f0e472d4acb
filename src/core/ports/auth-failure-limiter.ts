/** Counts failed authentication attempts per client network, see `networkOf`. */
export interface AuthFailureLimiter {
  /**
   * Counts a failed attempt.
   *
   * @returns seconds to wait before the next attempt if there have been too many, else `undefined`
   */
  countFailure(address: string): Promise<number | undefined>;
}
