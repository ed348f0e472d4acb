import * as v from "valibot";
import { DEFAULT_CALLS_PER_WINDOW } from "../../core/budget/rules/call-window.ts";
import { SCOPES, type Scope } from "../../core/auth/rules/scopes.ts";
import { type Endpoint, type EndpointSecret, secretsAt } from "../../core/webhooks/rules/endpoint.ts";
import { limitsSchema } from "../../core/quota/rules/limits.ts";
import { readPolicy } from "../../core/policy/rules/parse-policy.ts";
import type { Tenant } from "../../core/shared/tenant.ts";
import { UPLOAD_EVENT_TYPES } from "../../core/webhooks/rules/upload-event.ts";
import type { ApiKeyRecord } from "../../core/auth/rules/api-key.ts";
import { USUAL_MAXIMA } from "../../core/stream/rules/defaults.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";

/**
 * Rows as the migrations declare them, and their conversion to core types. A row was checked when it was written, possibly by
 * another version. The conversions throw if a row cannot be read.
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

/** The version of the tenant that a key or an issuer belongs to, read in the same query. */
export interface TenantVersion {
  readonly tenant_version: number | null;
}

export interface UpstreamRow {
  readonly id: string;
  readonly account_id: string;
  readonly api_base: string;
  readonly upload_hosts: string;
  readonly sealed_credential: string;
  readonly calls_per_window: number | null;
  readonly max_upload_bytes: number | null;
  readonly max_video_seconds: number | null;
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
  /** 1: its last delivery succeeded, but took long. */
  readonly slow: number;
  readonly created_at: number;
  readonly updated_at: number;
}

/** The account and API base are part of it: a change in the database alone cannot make Sluice send the credential elsewhere. */
export function credentialContext({
  id,
  account_id,
  api_base,
}: Pick<UpstreamRow, "id" | "account_id" | "api_base">): string {
  return `upstream:${id} ${account_id} ${api_base}`;
}

/** Has another prefix than the credential's, so that neither opens in the other's column. */
export function webhookContext({ id, account_id }: Pick<UpstreamRow, "id" | "account_id">): string {
  return `webhook:${id} ${account_id}`;
}

/** The URL is part of it: a change in the database alone cannot make Sluice send signed events elsewhere. */
export function endpointSecretsContext({ tenant, id, url }: Pick<EndpointRow, "tenant" | "id" | "url">): string {
  return `endpoint:${tenant}/${id} ${url}`;
}

export function tenantOf(row: TenantRow): Tenant {
  const policy = readPolicy(stored(v.unknown(), row.policy), "policy");
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

/** Without readable webhook secrets, Stream notifications are rejected and uploads continue. */
export function upstreamOf(
  row: UpstreamRow,
  credential: string | undefined,
  webhookSecrets: string | undefined,
): Upstream {
  if (credential === undefined)
    throw new Error(`The credential of the upstream ${row.id} cannot be decrypted with MASTER_KEYS.`);
  return {
    id: row.id,
    accountId: row.account_id,
    apiBase: row.api_base,
    uploadHosts: stored(texts, row.upload_hosts),
    callsPerWindow: row.calls_per_window ?? DEFAULT_CALLS_PER_WINDOW,
    maxUploadBytes: row.max_upload_bytes ?? USUAL_MAXIMA.maxUploadBytes,
    maxVideoSeconds: row.max_video_seconds ?? USUAL_MAXIMA.maxVideoSeconds,
    credential: stored(credentialSchema, credential),
    webhookSecrets: webhookSecretsOf(webhookSecrets),
  };
}

/** An endpoint without readable secrets has none, so that it does not block the tenant's other endpoints. */
export function endpointOf(row: EndpointRow, secrets: string | undefined, now: number): Endpoint {
  return {
    id: row.id,
    tenant: row.tenant,
    url: row.url,
    ...(row.events !== null && { events: new Set(stored(eventTypes, row.events)) }),
    secrets: secrets === undefined ? [] : secretsAt(secretsOf(secrets), now).map(({ secret }) => secret),
    disabled: row.disabled_at !== null,
    created: Math.floor(row.created_at / 1000),
    slow: row.slow !== 0 || row.failing_since !== null,
    ...(row.failing_since !== null && { failingSince: row.failing_since }),
  };
}

export function secretsOf(json: string): EndpointSecret[] {
  return stored(secretsSchema, json);
}

/** @param json the decrypted column */
export function webhookSecretsOf(json: string | undefined): readonly string[] {
  return json === undefined ? [] : stored(texts, json);
}

/** `2026-11-22T18:30:00.000Z`, from milliseconds since the epoch. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

const texts = v.array(v.string());
const eventTypes = v.array(v.picklist(UPLOAD_EVENT_TYPES));
const secretsSchema = v.array(v.object({ secret: v.string(), expiresAt: v.exactOptional(v.number()) }));
const credentialSchema = v.union([
  v.object({ kind: v.picklist(["token"]), token: v.string() }),
  v.object({ kind: v.picklist(["key"]), email: v.string(), key: v.string() }),
]);

function stored<S extends v.GenericSchema>(schema: S, json: string): v.InferOutput<S> {
  return v.parse(schema, JSON.parse(json));
}

/** Ignores the scopes of other versions. */
export function scopesOf(json: string): ReadonlySet<Scope> {
  const names = new Set(stored(texts, json));
  return new Set(SCOPES.filter((scope) => names.has(scope)));
}
