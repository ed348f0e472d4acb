import type { RecentRejections } from "../../core/ports/recent-rejections.ts";
import { setBounded } from "../../platform/bounded-map.ts";

/**
 * A limit that rejects a creation usually rejects the next few seconds' as well. Short, since a tenant below its limits
 * again should get its reservation and its budget call in parallel.
 */
const RECENT_MS = 10_000;

/** Bounds the memory per isolate. */
const MAX_TENANTS = 2_000;

/** The rejections seen by this isolate. @param now milliseconds since the epoch */
export function createRecentRejections(now: () => number): RecentRejections {
  const until = new Map<string, number>();
  return {
    has: (tenant) => (until.get(tenant) ?? 0) > now(),
    note: (tenant) => setBounded(until, tenant, now() + RECENT_MS, MAX_TENANTS),
  };
}
