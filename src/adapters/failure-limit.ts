/** Counts failed attempts to be let in, per client address. */
export interface FailureLimit {
  /** Counts one more; true where there have been too many. */
  countFailure(address: string): Promise<boolean>;
}

/** By the rate-limiting binding: per location and approximate, which is enough to damp guessing. */
export function createFailureLimit(binding: RateLimit): FailureLimit {
  return {
    async countFailure(address) {
      const { success } = await binding.limit({ key: networkOf(address) });
      return !success;
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
