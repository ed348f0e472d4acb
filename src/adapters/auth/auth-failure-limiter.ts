import type { AuthFailureLimiter } from "../../core/ports/auth-failure-limiter.ts";
import { setBounded } from "../../platform/bounded-map.ts";

/** As `wrangler.toml` configures the binding. */
const WINDOW_MS = 60_000;
/** Some 100 bytes each. Whoever has more networks to send from than that is counted by the binding alone. */
const MAX_LIMITED = 10_000;

/**
 * By the rate-limiting binding: per location and approximate, which is enough to damp guessing. An address that it has
 * found past the limit stays so for a window: a flood costs no call per refusal.
 *
 * @param now milliseconds since the epoch
 */
export function createAuthFailureLimiter(binding: RateLimit, now: () => number): AuthFailureLimiter {
  const limitedUntil = new Map<string, number>();

  /** So is everyone while the binding cannot be asked: a 401 that became a 500 would be sent again by tus clients. */
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
      const left = (limitedUntil.get(network) ?? 0) - now();
      if (left > 0) return Math.ceil(left / 1000);
      if (await isWithinLimit(network)) return undefined;
      setBounded(limitedUntil, network, now() + WINDOW_MS, MAX_LIMITED);
      return WINDOW_MS / 1000;
    },
  };
}

/** One household or host has a whole /64 of IPv6 to send from. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::", 2);
  const before = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
