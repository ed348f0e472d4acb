import type { Limits } from "../quota/rules/limits.ts";
import type { Policy } from "../policy/rules/policy.ts";
import type { UnfinishedUploads } from "../uploads/rules/upload-state.ts";

/** Fits the 32 characters of Stream's account tag, so that a tenant can stand in its place in Cloudflare's own paths. */
export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** The upstream that the environment configures; a tenant without one of its own is on it. */
export const DEFAULT_UPSTREAM = "default";

/** A customer of the operator, as the registry knows it. */
export interface Tenant {
  readonly id: string;
  readonly policy: Policy;
  readonly limits: Limits;
  /** Id of the Stream account that this tenant's uploads go to. */
  readonly upstream: string;
  readonly suspended: boolean;
  readonly unfinishedUploads: UnfinishedUploads;
  /** Grows with every change; see `TenantLedger.learn`. */
  readonly version: number;
}
