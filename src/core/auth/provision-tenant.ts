import type { Access } from "./authenticate.ts";
import { findTenant } from "./find-tenant.ts";
import type { Provisioning } from "../ports/provisioning.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";

export interface ProvisionTenantPorts {
  readonly registry: CachedRegistry;
  readonly provisioning: Provisioning;
}

/**
 * Makes the tenant, if it is a prospect, for the first creation or grant. It may exist by now, and be another issuer's: the
 * credential has to reach what is stored.
 */
export async function provisionTenant(
  { registry, provisioning }: ProvisionTenantPorts,
  { caller, tenant }: Pick<Access, "caller" | "tenant">,
): Promise<Result<Tenant | undefined>> {
  if (!tenant.isProspect || !caller.provisioner) return ok(tenant);
  const made = await provisioning.provision(tenant.id, caller.provisioner);
  return made.ok ? findTenant(registry.uncached, caller) : made;
}
