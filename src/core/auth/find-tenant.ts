import type { Caller } from "./rules/caller.ts";
import { TENANT_OUT_OF_REACH, reaches } from "./rules/provisioning.ts";
import type { Registry } from "../ports/registry.ts";
import { type Result, err } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";

/**
 * Looks up the tenant of a verified credential. Where its token may make the tenant, an unknown one is a prospect: what the token
 * would make, with nothing stored yet.
 *
 * @returns `undefined` if there is no such tenant; fails with `tenant_mismatch` if the credential does not reach it
 */
export async function findTenant(
  registry: Registry,
  { tenant: id, kind, provisioner }: Caller,
): Promise<Result<Tenant | undefined>> {
  let found = await registry.tenant(id, "trusted");
  if (!provisioner || !found.ok) return found;
  if (!found.value) {
    // It may have been made since it was looked up.
    found = await registry.prospect(id, provisioner);
    // A grant was minted for a tenant that existed, so it makes none.
    const isGone = found.ok && (!found.value || (kind === "grant" && found.value.isProspect));
    if (isGone) return err(TENANT_OUT_OF_REACH);
  }
  return !found.ok || !found.value || reaches(provisioner, found.value) ? found : err(TENANT_OUT_OF_REACH);
}
