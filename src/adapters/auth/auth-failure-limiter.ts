import type { AuthFailureLimiter } from "../../core/ports/auth-failure-limiter.ts";
import { networkOf } from "../../core/shared/network.ts";
import { setBounded } from "../../platform/bounded-map.ts";

/** The period of the binding in `wrangler.toml`. */
const WINDOW_MS = 60_000;
/** About 100 bytes each. Beyond that, the oldest entries are evicted, and the binding is called again for them. */
const MAX_LIMITED = 10_000;

/**
 * Counts with the rate-limiting binding: per location and approximate, which is enough to slow down guessing. A network
 * that exceeds the limit is limited for a whole window without further calls, so a flood costs one call a minute.
 *
 * @param now milliseconds since the epoch
 */
export function createAuthFailureLimiter(binding: RateLimit, now: () => number): AuthFailureLimiter {
  const limitedUntil = new Map<string, number>();

  /** True if the binding fails: tus clients retry a 500, but not the 401 that it would replace. */
  async function isWithinLimit(network: string): Promise<boolean> {
    try {
      return (await binding.limit({ key: network })).success;
    } catch {
      return true;
    }
  }

  return {
    async countFailure(address) {
      const network = networkOf(address);
      const remainingMs = (limitedUntil.get(network) ?? 0) - now();
      if (remainingMs > 0) return Math.ceil(remainingMs / 1000);
      if (await isWithinLimit(network)) return undefined;
      setBounded(limitedUntil, network, now() + WINDOW_MS, MAX_LIMITED);
      return WINDOW_MS / 1000;
    },
  };
}
