import type { Provisioner } from "../auth/rules/provisioning.ts";
import type { Result } from "../shared/result.ts";

/** Makes tenants that come by themselves. */
export interface Provisioning {
  /**
   * Makes a tenant on the plan of its issuer, once, however many requests ask for it at the same time. Resolves also if the tenant
   * exists, whoever made it. Fails with `provisioning_limit` or `provisioning_busy` if the issuer has made as many as it may, in all
   * or in a minute, with `tenant_mismatch` if a tenant of this id was deleted earlier, and with `credential_revoked` if the issuer
   * makes no tenants any more.
   */
  provision(tenant: string, by: Provisioner): Promise<Result<undefined>>;
}
