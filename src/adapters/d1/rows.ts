import * as v from "valibot";
import { DEFAULT_CALLS_PER_WINDOW } from "../../core/budget/rules/call-window.ts";
import { SCOPES, type Scope } from "../../core/auth/rules/scopes.ts";
import { type Endpoint, type EndpointSecret, secretsAt } from "../../core/webhooks/rules/endpoint.ts";
import { limitsSchema } from "../../core/quota/rules/limits.ts";
import { parsePolicy } from "../../core/policy/rules/policy.ts";
import type { Tenant } from "../../core/shared/tenant.ts";
import { UPLOAD_EVENT_TYPES } from "../../core/webhooks/rules/upload-event.ts";
import type { ApiKeyRecord } from "../../core/auth/rules/api-key.ts";
import type { Issuer } from "../../core/auth/rules/issuer.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";

/**
 * Rows as the migrations declare them, and what they mean. What a row holds was checked when it was written, by a version
 * that may have been another.
 */

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
  readonly version: number;
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

/** Of the tenant that a key or an issuer belongs to, read together with it. */
export interface TenantVersion {
  readonly tenant_version: number | null;
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
  readonly calls_per_window: number | null;
  readonly sealed_webhook_secrets: string | null;
}

export interface EndpointRow {
  readonly tenant: string;
  readonly id: string;
  readonly url: string;
  readonly description: string | null;
  readonly events: string | null;
  readonly sealed_secrets: string;
  readonly disabled_at: number | null;
  readonly disabled_reason: string | null;
  readonly failing_since: number | null;
  readonly created_at: number;
  readonly updated_at: number;
}

/**
 * Where a credential is sealed to: whoever could only write to the database would have it sent to a server of theirs by
 * changing where it is used.
 */
export function credentialContext({
  id,
  account_id,
  api_base,
}: Pick<UpstreamRow, "id" | "account_id" | "api_base">): string {
  return `upstream:${id} ${account_id} ${api_base}`;
}

/** Of another name than the credential's: neither can be put in the other's place. */
export function webhookContext({ id, account_id }: Pick<UpstreamRow, "id" | "account_id">): string {
  return `webhook:${id} ${account_id}`;
}

export function issuerSecretContext({ id }: Pick<IssuerRow, "id">): string {
  return `issuer:${id}`;
}

/** As with credentials: events, and what they are signed with, go to the URL that the operator gave. */
export function endpointSecretsContext({ tenant, id, url }: Pick<EndpointRow, "tenant" | "id" | "url">): string {
  return `endpoint:${tenant}/${id} ${url}`;
}

/** Throws, as all of these do, where a document cannot be read any more: such a tenant creates nothing. */
export function tenantOf(row: TenantRow): Tenant {
  const policy = parsePolicy(stored(v.unknown(), row.policy), "policy");
  if (!policy.ok) throw new Error(`The policy of ${row.id} cannot be read: ${policy.problem.detail}`);
  return {
    id: row.id,
    policy: [policy.value],
    limits: stored(limitsSchema, row.limits),
    upstream: row.upstream,
    suspended: row.suspended !== 0,
    unfinishedUploads: row.abandoned,
    version: row.version,
  };
}

export function apiKeyOf(row: ApiKeyRow & TenantVersion): ApiKeyRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    hash: Uint8Array.fromBase64(row.hash),
    scopes: scopesOf(row.scopes),
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
    revoked: row.revoked_at !== null,
    version: row.tenant_version ?? 0,
  };
}

export function issuerOf(row: IssuerRow & TenantVersion, secret: string | undefined): Issuer {
  return {
    id: row.id,
    iss: row.iss,
    audience: row.audience,
    algorithms: stored(texts, row.algorithms),
    keys: issuerKeysOf(row, secret),
    tenant: row.tenant === null ? { kind: "claim", claim: row.tenant_claim ?? "" } : { kind: "fixed", id: row.tenant },
    subjectClaim: row.subject_claim,
    scopes: scopesOf(row.scopes),
    ...(row.tenant_version !== null && { version: row.tenant_version }),
  };
}

function issuerKeysOf(row: IssuerRow, secret: string | undefined): Issuer["keys"] {
  if (row.jwks_url !== null) return { kind: "jwks-url", url: row.jwks_url };
  if (row.jwks !== null) return { kind: "jwks", jwks: stored(keySet, row.jwks) };
  if (secret === undefined) throw new Error(`The secret of the issuer ${row.id} does not open with MASTER_KEYS.`);
  return { kind: "secret", secret: new TextEncoder().encode(secret) };
}

/** Webhook secrets that do not open are as good as none: events are refused, and uploads go on. */
export function upstreamOf(
  row: UpstreamRow,
  credential: string | undefined,
  webhookSecrets: string | undefined,
): Upstream {
  if (credential === undefined)
    throw new Error(`The credential of the upstream ${row.id} does not open with MASTER_KEYS.`);
  return {
    id: row.id,
    accountId: row.account_id,
    apiBase: row.api_base,
    uploadHosts: stored(texts, row.upload_hosts),
    callsPerWindow: row.calls_per_window ?? DEFAULT_CALLS_PER_WINDOW,
    credential: stored(credentialSchema, credential),
    webhookSecrets: webhookSecretsOf(webhookSecrets),
  };
}

/** An endpoint whose secrets do not open has none: its tenant's others are not held up by it. */
export function endpointOf(row: EndpointRow, secrets: string | undefined, now: number): Endpoint {
  return {
    id: row.id,
    tenant: row.tenant,
    url: row.url,
    ...(row.events !== null && { events: new Set(stored(eventTypes, row.events)) }),
    secrets: secrets === undefined ? [] : secretsAt(secretsOf(secrets), now).map(({ secret }) => secret),
    disabled: row.disabled_at !== null,
    ...(row.failing_since !== null && { failingSince: row.failing_since }),
  };
}

export function secretsOf(json: string): EndpointSecret[] {
  return stored(secretsSchema, json);
}

/** @param json as it was sealed */
export function webhookSecretsOf(json: string | undefined): readonly string[] {
  return json === undefined ? [] : stored(texts, json);
}

const texts = v.array(v.string());
const eventTypes = v.array(v.picklist(UPLOAD_EVENT_TYPES));
const secretsSchema = v.array(v.object({ secret: v.string(), expiresAt: v.exactOptional(v.number()) }));
const keySet = v.object({ keys: v.array(v.record(v.string(), v.unknown())) });
const credentialSchema = v.variant("kind", [
  v.object({ kind: v.literal("token"), token: v.string() }),
  v.object({ kind: v.literal("key"), email: v.string(), key: v.string() }),
]);

function stored<S extends v.GenericSchema>(schema: S, json: string): v.InferOutput<S> {
  return v.parse(schema, JSON.parse(json));
}

/** Scopes of another version are left out: a key can do less then, never more. */
function scopesOf(json: string): ReadonlySet<Scope> {
  const names = new Set(stored(texts, json));
  return new Set(SCOPES.filter((scope) => names.has(scope)));
}
