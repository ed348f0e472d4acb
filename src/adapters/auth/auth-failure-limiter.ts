import type { AuthFailureLimiter } from "../../core/ports/auth-failure-limiter.ts";
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

/** The IPv4 address, or the /64 of an IPv6 address: one household or host can send from all of it. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::", 2);
  const headGroups = head === "" ? [] : head.split(":");
  const tailGroups = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - headGroups.length - tailGroups.length);
  const groups = [...headGroups, ...Array.from({ length: zeros }, () => "0"), ...tailGroups];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
