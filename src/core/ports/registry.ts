import type { Provisioner } from "../auth/rules/provisioning.ts";
import type { ApiKeyRecord } from "../auth/rules/api-key.ts";
import type { Issuer } from "../auth/rules/issuer.ts";
import type { Result } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { SigningKey } from "../playback/rules/signing-key.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { Endpoint } from "../webhooks/rules/endpoint.ts";

/** Marks a name from a verified credential or the registry. Lookups of other names count against the negative-lookup limit. */
export type Trust = "trusted";

/** Reads the operator's configuration, from a cache with a maximum age. */
export interface Registry {
  tenant(id: string, trust?: Trust): Promise<Result<Tenant | undefined>>;
  /**
   * What a token makes of an unknown tenant: an empty one on the plan of its issuer. Never from the cache, so that a tenant which
   * somebody else has just made is returned as it is, and so that the plan is the one that the issuer has now.
   *
   * @returns `undefined` if a tenant of this id was deleted earlier
   */
  prospect(id: string, by: Pick<Provisioner, "issuer" | "plan">): Promise<Result<Tenant | undefined>>;
  apiKey(id: string, trust?: Trust): Promise<Result<ApiKeyRecord | undefined>>;
  /** All issuers whose tokens carry this `iss`, including those whose `iss` has a part that varies. */
  issuers(iss: string, trust?: Trust): Promise<Result<readonly Issuer[]>>;
  /** All issuers that name a header. One that cannot be read is left out. */
  issuersWithHeader(): Promise<Result<readonly Issuer[]>>;
  upstream(id: string, trust?: Trust): Promise<Result<Upstream | undefined>>;
  /** The key that signs the playback tokens of an upstream's videos. @returns `undefined` if Stream has to sign them */
  signingKey(upstream: Pick<Upstream, "id" | "accountId">): Promise<Result<SigningKey | undefined>>;
  /** All webhook endpoints of a tenant, including disabled ones. */
  endpoints(tenant: string): Promise<Result<readonly Endpoint[]>>;
}

/** The ids in the registry, never from a cache. For jobs that iterate over tenants or upstreams. */
export interface RegistryIndex {
  /** Ids of an upstream's tenants, in ascending order. */
  listTenantIds(
    upstream: string,
    page: { readonly after: string; readonly limit: number },
  ): Promise<Result<readonly string[]>>;
  /** Which of these ids are tenants. */
  filterExistingTenants(tenants: readonly string[]): Promise<Result<ReadonlySet<string>>>;
  /** Ids of all upstreams, or of one account's. */
  listUpstreamIds(accountId?: string): Promise<Result<readonly string[]>>;
}

/** The cached registry that requests use, and the same registry without the cache. */
export interface CachedRegistry extends Registry {
  /** Reads the primary database. */
  readonly uncached: Registry;
}
