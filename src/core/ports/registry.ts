import type { ApiKeyRecord } from "../auth/rules/api-key.ts";
import type { Issuer } from "../auth/rules/issuer.ts";
import type { Result } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { Endpoint } from "../webhooks/rules/endpoint.ts";

/**
 * Marks a name taken from a verified credential or from the registry. Other names may be made up: their look-ups count
 * against the negative-lookup limit.
 */
export type Trust = "trusted";

/** Reads of what the operator configured. May be as old as the cache's bound, never older. */
export interface Registry {
  tenant(id: string, trust?: Trust): Promise<Result<Tenant | undefined>>;
  apiKey(id: string, trust?: Trust): Promise<Result<ApiKeyRecord | undefined>>;
  /** All issuers whose tokens carry this `iss`. */
  issuers(iss: string, trust?: Trust): Promise<Result<readonly Issuer[]>>;
  upstream(id: string, trust?: Trust): Promise<Result<Upstream | undefined>>;
  /** Where a tenant wants its events, disabled endpoints included. */
  endpoints(tenant: string): Promise<Result<readonly Endpoint[]>>;
}

/** Who is there, as of now: for work that goes from one to the next. */
export interface RegistryIndex {
  /** Ids of the tenants on an upstream, in order. */
  listTenantIds(
    upstream: string,
    at: { readonly after: string; readonly limit: number },
  ): Promise<Result<readonly string[]>>;
  /** Those of these ids that a tenant has. */
  filterExistingTenants(tenants: readonly string[]): Promise<Result<ReadonlySet<string>>>;
  /** Ids of all upstreams, or of those of one account. */
  listUpstreamIds(accountId?: string): Promise<Result<readonly string[]>>;
}

/** The registry, with the cache that requests are decided by, and past it. */
export interface CachedRegistry extends Registry {
  /** What is there now. */
  readonly uncached: Registry;
}
