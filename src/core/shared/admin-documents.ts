import type { Scope } from "../auth/rules/scopes.ts";
import type { Limits, LimitsPatch } from "../quota/rules/limits.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { UnfinishedUploads } from "../uploads/rules/upload-state.ts";
import type { UploadEventType } from "../webhooks/rules/upload-event.ts";

/**
 * The documents of the admin API. *Settings* are what the operator sends, a *document* is what the API returns: never with a
 * secret. Times are RFC 3339 text in UTC, with milliseconds.
 */

export interface TenantSettings {
  readonly name?: string | undefined;
  /** Id of a plan. Null: none. Absent: the tenant has none. */
  readonly plan?: string | null | undefined;
  /** A policy document as JSON; `parsePolicy` accepts it. Absent: the tenant's is `{}`. */
  readonly policy?: unknown;
  /** Absent: the tenant's are `{}`. Only a tenant on a plan may have a limit that is null. */
  readonly limits?: LimitsPatch | undefined;
  /** Id of an upstream. Absent: the plan's, or the default. */
  readonly upstream?: string | undefined;
  readonly suspended: boolean;
  readonly unfinishedUploads: UnfinishedUploads;
}

export interface TenantDocument extends TenantSettings {
  readonly id: string;
  readonly plan?: string;
  readonly limits: LimitsPatch;
  /** The issuer whose token made the tenant, and the `iss` of that token. Not sent by the operator. */
  readonly provisionedBy?: { readonly issuer: string; readonly iss: string };
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** What tenants have in common. Each tenant may replace entries. */
export interface PlanSettings {
  readonly name?: string | undefined;
  /** A policy document as JSON. Absent: the plan's is `{}`. */
  readonly policy?: unknown;
  /** Absent: the plan's are `{}`. */
  readonly limits?: Limits | undefined;
  /** Id of the upstream of tenants that name none. Absent: the default. */
  readonly upstream?: string | undefined;
}

export interface PlanDocument extends PlanSettings {
  readonly id: string;
  readonly limits: Limits;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ApiKeySettings {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number | undefined;
}

export interface ApiKeyDocument {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

export interface UpstreamSettings {
  readonly accountId: string;
  /** Without a trailing slash. */
  readonly apiBase: string;
  readonly uploadHosts: readonly string[];
  /** API calls in any 5 minutes. Absent: the default. */
  readonly callsPerWindow?: number | undefined;
  /** Bytes of the largest file. Absent: the default. */
  readonly maxUploadBytes?: number | undefined;
  /** Seconds of the longest video. Absent: the default. */
  readonly maxVideoSeconds?: number | undefined;
  readonly credential: Upstream["credential"];
  /** Absent: the stored ones stay, as long as the account does. */
  readonly webhookSecrets?: readonly string[] | undefined;
}

export interface UpstreamDocument extends Omit<UpstreamSettings, "credential" | "webhookSecrets"> {
  readonly id: string;
}

export interface EndpointSettings {
  readonly url: string;
  readonly description?: string | undefined;
  /** Absent: all types, including those of later versions. */
  readonly events?: readonly UploadEventType[] | undefined;
  readonly disabled: boolean;
}

export interface EndpointDocument {
  readonly id: string;
  readonly url: string;
  readonly description?: string;
  readonly events?: readonly string[];
  readonly disabled: boolean;
  readonly disabledAt?: string;
  readonly disabledReason?: string;
  readonly failingSince?: string;
  readonly slow?: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** One change in the audit log. */
export interface AuditDocument {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  /** Id of the changed document. */
  readonly target: string;
  readonly tenant?: string;
  /** The new values, without secrets. */
  readonly details: object;
}
