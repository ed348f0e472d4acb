import type { Config } from "../../config.ts";
import { problem } from "../../domain/problem.ts";
import { type Result, accept, refuse } from "../../domain/result.ts";
import { DEFAULT_UPSTREAM, type Tenant } from "../../domain/tenant.ts";
import type { ApiKeyRecord, Issuer, Registry, Upstream } from "../../usecases/ports.ts";
import type { Sealing } from "../sealing.ts";
import { LookupCache, MissBudget } from "./cache.ts";
import {
  type ApiKeyRow,
  type IssuerRow,
  type TenantRow,
  type UpstreamRow,
  apiKeyOf,
  issuerOf,
  tenantOf,
  upstreamOf,
} from "./rows.ts";

/** The registry, and what the operator's API tells it when something has changed. */
export interface CachedRegistry extends Registry {
  /** Forgets all it has looked up: changes are rare, and one may touch tenants, keys and issuers at once. */
  forget(): void;
}

/**
 * Reads tenants, keys, issuers and upstreams from D1, through a cache that bounds both the age of what it gives and the
 * number of look-ups that find nothing. Values are cached, never promises: a request that awaited another's I/O would hang
 * when that one is cancelled.
 */
export function createRegistry(
  db: D1Database,
  config: Pick<Config, "registryCacheSeconds" | "defaultUpstream">,
  sealing: Sealing,
  now: () => number,
): CachedRegistry {
  const lifetimeMs = config.registryCacheSeconds * 1000;
  const tenants = new LookupCache<Tenant>(lifetimeMs, now);
  const apiKeys = new LookupCache<ApiKeyRecord>(lifetimeMs, now);
  const issuers = new LookupCache<readonly Issuer[]>(lifetimeMs, now);
  const upstreams = new LookupCache<Upstream>(lifetimeMs, now);
  const misses = new MissBudget(now);

  async function lookUp<T>(
    cache: LookupCache<T>,
    key: string,
    load: () => Promise<T | undefined>,
  ): Promise<Result<T | undefined>> {
    const cached = cache.get(key);
    if (cached) return accept(cached.value);
    if (!misses.take())
      return refuse(problem("registry_busy", "Too many look-ups of what does not exist.", { retryAfterSeconds: 1 }));
    try {
      const value = await load();
      if (value !== undefined) misses.refund();
      cache.set(key, value);
      return accept(value);
    } catch (error) {
      misses.refund();
      const reason = error instanceof Error ? error.message : String(error);
      return refuse(problem("registry_unavailable", "The registry cannot be read.", { facts: { reason } }));
    }
  }

  /** Any replica will do: it lags by less than the cache. */
  const first = <Row>(sql: string, key: string) =>
    db.withSession("first-unconstrained").prepare(sql).bind(key).first<Row>();

  return {
    tenant: (id) =>
      lookUp(tenants, id, async () => {
        const row = await first<TenantRow>("SELECT * FROM tenants WHERE id = ?", id);
        return row ? tenantOf(row) : undefined;
      }),

    apiKey: (id) =>
      lookUp(apiKeys, id, async () => {
        const row = await first<ApiKeyRow>("SELECT * FROM api_keys WHERE id = ?", id);
        return row ? apiKeyOf(row) : undefined;
      }),

    async issuers(iss) {
      const found = await lookUp(issuers, iss, async () => {
        const rows = await db
          .withSession("first-unconstrained")
          .prepare("SELECT * FROM issuers WHERE iss = ?")
          .bind(iss)
          .all<IssuerRow>();
        if (rows.results.length === 0) return undefined;
        return Promise.all(
          rows.results.map(async (row) =>
            issuerOf(row, row.sealed_secret ? await sealing.open(row.sealed_secret, `issuer:${row.id}`) : undefined),
          ),
        );
      });
      return found.ok ? accept(found.value ?? []) : found;
    },

    async upstream(id) {
      if (id === DEFAULT_UPSTREAM) return accept(config.defaultUpstream);
      return lookUp(upstreams, id, async () => {
        const row = await first<UpstreamRow>("SELECT * FROM upstreams WHERE id = ?", id);
        return row ? upstreamOf(row, await sealing.open(row.sealed_credential, `upstream:${id}`)) : undefined;
      });
    },

    forget() {
      for (const cache of [tenants, apiKeys, issuers, upstreams]) cache.clear();
    },
  };
}
