import type { RecentRejections } from "../../core/ports/recent-rejections.ts";
import { setBounded } from "../../platform/bounded-map.ts";

/** Most limits that refuse now refuse a few seconds later; a tenant that is admitted again soon has both asked at once. */
const RECENT_MS = 10_000;

/** As many as an isolate knows. */
const MAX_TENANTS = 2_000;

/** What this isolate has seen of the ledgers' refusals. @param now milliseconds since the epoch */
export function createRecentRejections(now: () => number): RecentRejections {
  const until = new Map<string, number>();
  return {
    has: (tenant) => (until.get(tenant) ?? 0) > now(),
    note: (tenant) => setBounded(until, tenant, now() + RECENT_MS, MAX_TENANTS),
  };
}
