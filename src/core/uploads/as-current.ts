import { TENANT_CHANGING } from "../auth/authenticate.ts";
import type { CachedRegistry, Registry } from "../ports/registry.ts";
import { type Result, err } from "../shared/result.ts";

/**
 * Makes an attempt with the cached registry, and once more past the cache if the tenant's ledger has seen a later version of the
 * tenant: its credential may have been revoked.
 */
export async function asCurrent<T>(
  registry: CachedRegistry,
  attempt: (registry: Registry) => Promise<Result<T> | "stale">,
): Promise<Result<T>> {
  const first = await attempt(registry);
  if (first !== "stale") return first;
  const second = await attempt(registry.uncached);
  return second === "stale" ? err(TENANT_CHANGING) : second;
}
