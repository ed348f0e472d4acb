import type { Issuer } from "./issuer.ts";
import { problem } from "../../shared/problem.ts";
import type { Tenant } from "../../shared/tenant.ts";

/** The issuer of a token, or of the token that minted a grant, if its tokens make tenants. */
export interface Provisioner {
  /** The issuer's id. */
  readonly issuer: string;
  /** The `iss` of the token. */
  readonly iss: string;
  readonly plan: string;
  /** The issuer's `map` names the tenant. */
  readonly isTenantConfigured: boolean;
  /** The display name of a tenant that the token makes. */
  readonly name?: string;
}

export const TENANT_OUT_OF_REACH = problem(
  "tenant_mismatch",
  "Tokens of this issuer reach only tenants that they made and that exist.",
);

const DISPLAY_NAME = /^[^\p{Cc}\p{Cs}]{1,200}$/u;

/** @param name the claim that has the tenant's display name */
export function provisionerOf(
  { id, provision }: Pick<Issuer, "id" | "provision">,
  iss: string,
  isTenantConfigured: boolean,
  name?: unknown,
): { readonly provisioner?: Provisioner } {
  if (!provision) return {};
  const isName = typeof name === "string" && DISPLAY_NAME.test(name);
  return { provisioner: { issuer: id, iss, plan: provision.plan, isTenantConfigured, ...(isName && { name }) } };
}

/**
 * Whether credentials reach a tenant. Claims may be of a customer's own choice: those of an issuer that makes tenants reach only
 * what such claims made, and what the operator has mapped. The `iss` counts, too: whoever gets an issuer's id later, or has another
 * directory of a provider, did not make the tenant.
 */
export function reaches(provisioner: Provisioner | undefined, { isProspect, provisionedBy }: Tenant): boolean {
  return (
    !provisioner ||
    provisioner.isTenantConfigured ||
    isProspect ||
    (provisionedBy?.issuer === provisioner.issuer && provisionedBy.iss === provisioner.iss)
  );
}
