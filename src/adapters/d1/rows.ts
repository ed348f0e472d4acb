import * as v from "valibot";
import { DEFAULT_CALLS_PER_WINDOW } from "../../core/budget/rules/call-window.ts";
import { SCOPES, type Scope, scopesOfKey } from "../../core/auth/rules/scopes.ts";
import { type Endpoint, type EndpointSecret, secretsAt } from "../../core/webhooks/rules/endpoint.ts";
import { limitsSchema } from "../../core/quota/rules/limits.ts";
import { combineLimits } from "../../core/quota/rules/combine-limits.ts";
import { uploadBounds } from "../../core/quota/rules/upload-bounds.ts";
import { combineDocuments } from "../../core/policy/rules/combine-documents.ts";
import { readPolicy } from "../../core/policy/rules/parse-policy.ts";
import type { PolicyDocument } from "../../core/policy/rules/policy.ts";
import type { TenantDocument, TenantSettings } from "../../core/shared/admin-documents.ts";
import { DEFAULT_UPSTREAM, type Tenant } from "../../core/shared/tenant.ts";
import { UPLOAD_EVENT_TYPES, type UploadEventType } from "../../core/webhooks/rules/upload-event.ts";
import type { ApiKeyRecord } from "../../core/auth/rules/api-key.ts";
import { ANY_ACCOUNT, USUAL_MAXIMA } from "../../core/stream/rules/defaults.ts";
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
  readonly plan: string | null;
  /** The policy and limits of a tenant on a plan, as JSON. NULL: they are in the older columns. */
  readonly document: string | null;
  readonly provisioned_by: string | null;
  readonly provisioned_iss: string | null;
}

export interface PlanRow {
  readonly id: string;
  readonly name: string | null;
  readonly policy: string;
  readonly limits: string;
  readonly upstream: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly version: number;
}

/** The plan of a tenant on a plan, read in the same query. NULL: the plan is gone, and the tenant cannot be read. */
export interface TenantPlan {
  readonly plan_policy: string;
  readonly plan_limits: string;
  readonly plan_upstream: string | null;
  readonly plan_version: number;
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
  /** Of the events, those that version 0.1 does not know. */
  readonly later_events: string | null;
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

/** @param readPlan reads a plan's policy: the same one for many tenants */
export function tenantOf(row: TenantRow & TenantPlan, readPlan: (json: string) => PolicyDocument): Tenant {
  const own = ownSettings(row);
  const policy = policyOf(own.policy, "policy");
  const rest = {
    id: row.id,
    suspended: row.suspended !== 0,
    unfinishedUploads: row.abandoned,
    version: row.version,
    ...provisionedBy(row),
  };
  if (row.plan === null)
    return { ...rest, policy: [policy], limits: v.parse(limitsSchema, own.limits), upstream: row.upstream };

  const { plan_policy, plan_limits, plan_upstream, plan_version } = row;
  const limits = combineLimits(stored(limitsSchema, plan_limits), own.limits);
  return {
    ...rest,
    policy: [combineDocuments(readPlan(plan_policy), policy, uploadBounds(ANY_ACCOUNT, limits))],
    limits: v.parse(limitsSchema, limits),
    upstream: row.upstream || (plan_upstream ?? DEFAULT_UPSTREAM),
    plan: { id: row.plan, version: plan_version },
  };
}

/** Whose token made a tenant. */
export function provisionedBy({
  provisioned_by: issuer,
  provisioned_iss: iss,
}: TenantRow): Pick<Tenant, "provisionedBy"> {
  return issuer === null || iss === null ? {} : { provisionedBy: { issuer, iss } };
}

/** What a tenant's own document says. */
export function ownSettings({
  document,
  policy,
  limits,
}: TenantRow): Required<Pick<TenantDocument, "policy" | "limits">> {
  return JSON.parse(document ?? `{"policy":${policy},"limits":${limits}}`) as ReturnType<typeof ownSettings>;
}

/**
 * The columns with a tenant's own settings. For a tenant on a plan, the version before, which cannot apply it, reads limits that
 * refuse every creation and, without an upstream of the tenant's own, an upstream that does not exist. Its text is none that the
 * version before writes: see the trigger of the migration.
 */
export function settingsColumns(
  plan: string | null | undefined,
  { policy = {}, limits = {}, upstream }: Pick<TenantSettings, "policy" | "limits" | "upstream">,
): Pick<TenantRow, "policy" | "limits" | "upstream" | "document"> {
  return typeof plan === "string"
    ? { policy: "{}", limits: '{"pending": 0}', upstream: upstream ?? "", document: JSON.stringify({ policy, limits }) }
    : {
        policy: JSON.stringify(policy),
        limits: JSON.stringify(limits),
        upstream: upstream ?? DEFAULT_UPSTREAM,
        document: null,
      };
}

/** @throws if the stored policy cannot be read */
export function policyOf(json: unknown, source: "policy" | "plan"): PolicyDocument {
  const policy = readPolicy(json, source);
  if (!policy.ok) throw new Error(`A stored policy cannot be read: ${policy.problem.detail}`);
  return policy.value;
}

export function apiKeyOf(row: ApiKeyRow & TenantVersion): ApiKeyRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    hash: Uint8Array.fromBase64(row.hash),
    scopes: new Set(keyScopesOf(row)),
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
  const events = eventsOf(row);
  return {
    id: row.id,
    tenant: row.tenant,
    url: row.url,
    ...(events && { events: new Set(events) }),
    secrets: secrets === undefined ? [] : secretsAt(secretsOf(secrets), now).map(({ secret }) => secret),
    disabled: row.disabled_at !== null,
    created: Math.floor(row.created_at / 1000),
    slow: row.slow !== 0 || row.failing_since !== null,
    ...(row.failing_since !== null && { failingSince: row.failing_since }),
  };
}

/** The event types that an endpoint names, without those of other versions. @returns `undefined` if it names none: all */
export function eventsOf(row: Pick<EndpointRow, "events" | "later_events">): readonly UploadEventType[] | undefined {
  if (row.events === null) return undefined;
  const named = [...stored(texts, row.events), ...stored(texts, row.later_events ?? "[]")];
  return named.filter((name): name is UploadEventType => UPLOAD_EVENT_TYPES.some((type) => type === name));
}

/** The columns `events` and `later_events` of an endpoint that names these event types; without any, it gets all. */
export function eventColumns(events: readonly string[] | undefined): readonly [string | null, string | null] {
  if (!events) return [null, null];
  const isLater = (type: string) => type === "upload.updated";
  const [first, later] = [events.filter((type) => !isLater(type)), events.filter(isLater)];
  return [JSON.stringify(first), later.length > 0 ? JSON.stringify(later) : null];
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
const secretsSchema = v.array(v.object({ secret: v.string(), expiresAt: v.exactOptional(v.number()) }));
const credentialSchema = v.union([
  v.object({ kind: v.picklist(["token"]), token: v.string() }),
  v.object({ kind: v.picklist(["key"]), email: v.string(), key: v.string() }),
]);

function stored<S extends v.GenericSchema>(schema: S, json: string): v.InferOutput<S> {
  return v.parse(schema, JSON.parse(json));
}

export function keyScopesOf({ scopes }: Pick<ApiKeyRow, "scopes">): readonly Scope[] {
  return scopesOfKey(stored(texts, scopes));
}

/** The scopes of an issuer. Ignores those of other versions. */
export function scopesOf(json: string): ReadonlySet<Scope> {
  const names = new Set(stored(texts, json));
  return new Set(SCOPES.filter((scope) => names.has(scope)));
}
