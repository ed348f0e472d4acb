import type { Limits } from "../quota/rules/limits.ts";
import type { Policy } from "../policy/rules/policy.ts";
import type { UnfinishedUploads } from "../uploads/rules/upload-state.ts";
import { problem } from "./problem.ts";

/** At most 32 characters, like Stream's account tag, which it replaces in Cloudflare's own paths. */
export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** The upstream that the environment configures, and the default of a tenant. */
export const DEFAULT_UPSTREAM = "default";

export const NO_SUCH_TENANT = problem("not_found", "There is no such tenant.");
export const NO_SUCH_PLAN = problem("not_found", "There is no such plan.");

/** A customer of the operator, as configured in the registry. */
export interface Tenant {
  readonly id: string;
  readonly policy: Policy;
  readonly limits: Limits;
  /** Id of the upstream that receives the tenant's uploads. */
  readonly upstream: string;
  readonly suspended: boolean;
  readonly unfinishedUploads: UnfinishedUploads;
  /** Increases with every change: see `Ledgers.syncTenantVersion`. */
  readonly version: number;
  /** The plan that `policy` and `limits` were combined with. Its budget object refuses older versions: see `Budget.acquire`. */
  readonly plan?: PlanVersion;
  /** Whose token made it; absent: the operator. */
  readonly provisionedBy?: { readonly issuer: string; readonly iss: string };
  /** Not stored yet: what a token would make. Its version is older than any. */
  readonly isProspect?: boolean;
}

export interface PlanVersion {
  readonly id: string;
  /** Increases with every change. */
  readonly version: number;
}
