import type { Config } from "../../config.ts";
import { problem } from "../../core/shared/problem.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM, TENANT_ID, type Tenant } from "../../core/shared/tenant.ts";
import type { Endpoint } from "../../core/webhooks/rules/endpoint.ts";
import type { CachedRegistry, Registry, Trust } from "../../core/ports/registry.ts";
import type { ApiKeyRecord } from "../../core/auth/rules/api-key.ts";
import { ISS, type Issuer } from "../../core/auth/rules/issuer.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import { LookupCache } from "./lookup-cache.ts";
import { registryUnavailable } from "./database.ts";
import {
  type ApiKeyRow,
  type EndpointRow,
  type IssuerRow,
  type TenantRow,
  type TenantVersion,
  type UpstreamRow,
  apiKeyOf,
  credentialContext,
  endpointOf,
  issuerOf,
  issuerSecretContext,
  endpointSecretsContext,
  tenantOf,
  upstreamOf,
  webhookContext,
} from "./rows.ts";

/** The registry, and what the operator's API tells it when something has changed. */
export interface InvalidatableRegistry extends CachedRegistry {
  /**
   * Believes nothing that it has looked up any longer: changes are rare, and one may touch tenants, keys and issuers at
   * once.
   *
   * @param bookmark of the change: no replica that has not seen it is asked from now on
   */
  readonly invalidate: (bookmark?: D1SessionBookmark | null) => void;
}

/** A credential comes with its tenant's version: what has been revoked since then shows in the tenant's ledger. */
const API_KEY = `
  SELECT api_keys.*, tenants.version AS tenant_version
  FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant WHERE api_keys.id = ?`;
const ISSUERS = `
  SELECT issuers.*, tenants.version AS tenant_version
  FROM issuers LEFT JOIN tenants ON tenants.id = issuers.tenant WHERE iss = ? ORDER BY issuers.id`;
const ENDPOINTS = "SELECT * FROM endpoints WHERE tenant = ? ORDER BY id";

/**
 * Reads tenants, keys, issuers, upstreams and endpoints from D1, through a cache that bounds both the age of what it gives
 * and the number of look-ups that find nothing. Values are cached, never promises: a request that awaited another's I/O
 * would hang when that one is cancelled.
 */
export function createRegistry(
  db: D1Database,
  config: Pick<Config, "registryCacheSeconds" | "defaultUpstream">,
  sealing: FieldEncryption,
  now: () => number,
): InvalidatableRegistry {
  const lifetimeMs = config.registryCacheSeconds * 1000;
  const tenants = new LookupCache<Result<Tenant>>(lifetimeMs, now);
  const apiKeys = new LookupCache<Result<ApiKeyRecord>>(lifetimeMs, now);
  const issuers = new LookupCache<Result<readonly Issuer[]>>(lifetimeMs, now);
  const upstreams = new LookupCache<Result<Upstream>>(lifetimeMs, now);
  const endpoints = new LookupCache<Result<readonly Endpoint[]>>(lifetimeMs, now);
  let newest: D1SessionBookmark | undefined;

  async function lookUp<T>(
    cache: LookupCache<Result<T>>,
    name: string,
    load: () => Promise<Result<T> | undefined>,
    bypassCache: boolean,
    trust?: Trust,
  ): Promise<Result<T | undefined>> {
    const cached = cache.get(name);
    if (cached?.fresh && !bypassCache) return cached.value ?? ok(undefined);
    // Cached and trusted names exist: a flood of made-up names must not keep them from being read again.
    const seeking = cached || trust ? undefined : cache.startLookup(name);
    if (seeking === "too many")
      return err(problem("registry_busy", "Too many look-ups of what does not exist.", { retryAfterSeconds: 1 }));
    const suspect = seeking === "begins";
    const fill = cache.begin();
    try {
      const value = await load();
      if (suspect && value !== undefined) cache.misses.refund();
      cache.set(name, value, fill);
      return value ?? ok(undefined);
    } catch (error) {
      if (suspect) cache.misses.refund();
      return err(registryUnavailable(error));
    }
  }

  const lookUps = (bypassCache: boolean): Registry => {
    /** Any replica will do that has seen what was changed here; how far it lags behind other changes adds to their age. */
    const prepare = (sql: string, name: string) =>
      db
        .withSession(bypassCache ? "first-primary" : (newest ?? "first-unconstrained"))
        .prepare(sql)
        .bind(name);

    return {
      async tenant(id, trust) {
        if (!TENANT_ID.test(id)) return ok(undefined);
        const load = async () => {
          const row = await prepare("SELECT * FROM tenants WHERE id = ?", id).first<TenantRow>();
          return row ? readable(() => tenantOf(row)) : undefined;
        };
        return lookUp(tenants, id, load, bypassCache, trust);
      },

      apiKey(id, trust) {
        const load = async () => {
          const row = await prepare(API_KEY, id).first<ApiKeyRow & TenantVersion>();
          return row ? readable(() => apiKeyOf(row)) : undefined;
        };
        return lookUp(apiKeys, id, load, bypassCache, trust);
      },

      async issuers(iss, trust) {
        if (!ISS.test(iss)) return ok([]);
        const load = async () => {
          const { results } = await prepare(ISSUERS, iss).all<IssuerRow & TenantVersion>();
          if (results.length === 0) return undefined;
          const secrets = await Promise.all(
            results.map(async (row) =>
              row.sealed_secret ? sealing.open(row.sealed_secret, issuerSecretContext(row)) : undefined,
            ),
          );
          return readable(() => results.map((row, index) => issuerOf(row, secrets[index])));
        };
        const found = await lookUp(issuers, iss, load, bypassCache, trust);
        return found.ok ? ok(found.value ?? []) : found;
      },

      async upstream(id, trust) {
        if (id === DEFAULT_UPSTREAM) return ok(config.defaultUpstream);
        const load = async () => {
          const row = await prepare("SELECT * FROM upstreams WHERE id = ?", id).first<UpstreamRow>();
          if (!row) return undefined;
          const [credential, webhookSecrets] = await Promise.all([
            sealing.open(row.sealed_credential, credentialContext(row)),
            row.sealed_webhook_secrets === null
              ? undefined
              : sealing.open(row.sealed_webhook_secrets, webhookContext(row)),
          ]);
          return readable(() => upstreamOf(row, credential, webhookSecrets));
        };
        return lookUp(upstreams, id, load, bypassCache, trust);
      },

      async endpoints(tenant) {
        const load = async () => {
          const { results } = await prepare(ENDPOINTS, tenant).all<EndpointRow>();
          const secrets = await Promise.all(
            results.map((row) => sealing.open(row.sealed_secrets, endpointSecretsContext(row))),
          );
          return readable(() => results.map((row, index) => endpointOf(row, secrets[index], now())));
        };
        const found = await lookUp(endpoints, tenant, load, bypassCache);
        return found.ok ? ok(found.value ?? []) : found;
      },
    };
  };

  return {
    ...lookUps(false),
    uncached: lookUps(true),

    invalidate: (bookmark) => {
      // Bookmarks sort by age, as text. Changes may be answered in another order than they were made in.
      if (bookmark && (newest === undefined || bookmark > newest)) newest = bookmark;
      for (const cache of [tenants, apiKeys, issuers, upstreams, endpoints]) cache.expire();
    },
  };
}

/** A row that cannot be read, as a value: it stays so until it is written anew, so it is cached like any other. */
function readable<T>(read: () => T): Result<T> {
  try {
    return ok(read());
  } catch (error) {
    return err(registryUnavailable(error));
  }
}
