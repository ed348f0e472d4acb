import { SCOPES, type Scope } from "../../domain/caller.ts";
import type { Limits } from "../../domain/limits.ts";
import { parsePolicy } from "../../domain/policy/policy.ts";
import type { Tenant } from "../../domain/tenant.ts";
import type { ApiKeyRecord, Issuer, Upstream } from "../../usecases/ports.ts";

/** Rows as the migrations declare them, and what they mean. What a row holds was checked when it was written. */

export interface TenantRow {
  readonly id: string;
  readonly name: string | null;
  readonly policy: string;
  readonly limits: string;
  readonly upstream: string;
  readonly suspended: number;
  readonly abandoned: "delete" | "keep";
  readonly created_at: number;
  readonly updated_at: number;
}

export interface ApiKeyRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly hash: string;
  readonly scopes: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
}

export interface IssuerRow {
  readonly id: string;
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: string;
  readonly jwks_url: string | null;
  readonly jwks: string | null;
  readonly sealed_secret: string | null;
  readonly tenant: string | null;
  readonly tenant_claim: string | null;
  readonly subject_claim: string;
  readonly scopes: string;
}

export interface UpstreamRow {
  readonly id: string;
  readonly account_id: string;
  readonly api_base: string;
  readonly upload_hosts: string;
  readonly sealed_credential: string;
}

/** Throws where the stored policy is none any more: a tenant whose policy cannot be read creates nothing. */
export function tenantOf(row: TenantRow): Tenant {
  const policy = parsePolicy(JSON.parse(row.policy), "policy");
  if (!policy.ok) throw new Error(`The policy of ${row.id} cannot be read: ${policy.problem.detail}`);
  return {
    id: row.id,
    policy: [policy.value],
    limits: JSON.parse(row.limits) as Limits,
    upstream: row.upstream,
    suspended: row.suspended !== 0,
  };
}

export function apiKeyOf(row: ApiKeyRow): ApiKeyRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    hash: Uint8Array.fromBase64(row.hash),
    scopes: scopesOf(row.scopes),
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
    revoked: row.revoked_at !== null,
  };
}

export function issuerOf(row: IssuerRow, secret: string | undefined): Issuer {
  return {
    id: row.id,
    iss: row.iss,
    audience: row.audience,
    algorithms: JSON.parse(row.algorithms) as string[],
    keys: issuerKeysOf(row, secret),
    tenant: row.tenant === null ? { kind: "claim", claim: row.tenant_claim ?? "" } : { kind: "fixed", id: row.tenant },
    subjectClaim: row.subject_claim,
    scopes: scopesOf(row.scopes),
  };
}

function issuerKeysOf(row: IssuerRow, secret: string | undefined): Issuer["keys"] {
  if (row.jwks_url !== null) return { kind: "jwks-url", url: row.jwks_url };
  if (row.jwks !== null) return { kind: "jwks", jwks: JSON.parse(row.jwks) as { keys: Record<string, unknown>[] } };
  if (secret === undefined) throw new Error(`The secret of the issuer ${row.id} does not open with MASTER_KEYS.`);
  return { kind: "secret", secret: new TextEncoder().encode(secret) };
}

export function upstreamOf(row: UpstreamRow, credential: string | undefined): Upstream {
  if (credential === undefined)
    throw new Error(`The credential of the upstream ${row.id} does not open with MASTER_KEYS.`);
  return {
    id: row.id,
    accountId: row.account_id,
    apiBase: row.api_base,
    uploadHosts: JSON.parse(row.upload_hosts) as string[],
    credential: JSON.parse(credential) as Upstream["credential"],
  };
}

function scopesOf(json: string): ReadonlySet<Scope> {
  const names = new Set(JSON.parse(json) as string[]);
  return new Set(SCOPES.filter((scope) => names.has(scope)));
}
