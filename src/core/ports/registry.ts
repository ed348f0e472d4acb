import type { Scope } from "../auth/rules/caller.ts";
import type { Result } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { Endpoint } from "./webhooks.ts";

/**
 * A name that a verified credential has given, or the registry itself. Any other may be made up, and is not looked for
 * where too many of them are.
 */
export type Vouched = "vouched for";

/** Reads of what the operator configured. May be as old as the cache's bound, never older. */
export interface Registry {
  tenant(id: string, vouched?: Vouched): Promise<Result<Tenant | undefined>>;
  apiKey(id: string, vouched?: Vouched): Promise<Result<ApiKeyRecord | undefined>>;
  /** All issuers whose tokens carry this `iss`. */
  issuers(iss: string, vouched?: Vouched): Promise<Result<readonly Issuer[]>>;
  upstream(id: string, vouched?: Vouched): Promise<Result<Upstream | undefined>>;
  /** Where a tenant wants its events, disabled endpoints included. */
  endpoints(tenant: string): Promise<Result<readonly Endpoint[]>>;
}

/** Who is there, as of now: for work that goes from one to the next. */
export interface Directory {
  /** Ids of the tenants on an upstream, in order. */
  tenantsOn(
    upstream: string,
    at: { readonly after: string; readonly limit: number },
  ): Promise<Result<readonly string[]>>;
  /** Those of these ids that a tenant has. */
  existing(tenants: readonly string[]): Promise<Result<ReadonlySet<string>>>;
  /** Ids of all upstreams, or of those of one account. */
  upstreams(accountId?: string): Promise<Result<readonly string[]>>;
}

/** The registry, with the cache that requests are decided by, and past it. */
export interface CachedRegistry extends Registry {
  /** What is there now. */
  readonly latest: Registry;
}

export interface ApiKeyRecord {
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the key's text. */
  readonly hash: Uint8Array;
  readonly scopes: ReadonlySet<Scope>;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly revoked: boolean;
  /** The tenant's, when the key was read. */
  readonly version: number;
}

export const ASYMMETRIC_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256"] as const;

/** An identity provider whose JWTs are accepted. */
export interface Issuer {
  readonly id: string;
  /** The `iss` claim, compared exactly. */
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Where its verification keys come from. */
  readonly keys:
    | { readonly kind: "jwks-url"; readonly url: string }
    | { readonly kind: "jwks"; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
    | { readonly kind: "secret"; readonly secret: Uint8Array };
  /** Its tokens speak for this tenant only, or for the one they name in a claim. */
  readonly tenant: { readonly kind: "fixed"; readonly id: string } | { readonly kind: "claim"; readonly claim: string };
  readonly subjectClaim: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The tenant's, when the issuer was read; an issuer of many tenants has none of its own. */
  readonly version?: number;
}

/** A Stream account with its credential. */
export interface Upstream {
  readonly id: string;
  readonly accountId: string;
  /** Without a trailing slash, e.g. https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** Hosts (`host` or `host:port`) that `Location` may point to. */
  readonly uploadHosts: readonly string[];
  /** API calls that may be made in any 5 minutes. */
  readonly callsPerWindow: number;
  readonly credential:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "key"; readonly email: string; readonly key: string };
  /** Secrets of the account's webhook, all of them valid; none: its events are refused. */
  readonly webhookSecrets: readonly string[];
}
