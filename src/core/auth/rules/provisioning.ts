import * as v from "valibot";
import { displayName } from "../../shared/fields.ts";
import type { Issuer } from "./issuer.ts";
import { problem } from "../../shared/problem.ts";
import type { Tenant } from "../../shared/tenant.ts";

/** The issuer of a token, or of the token that minted a grant, if its tokens make tenants. */
export interface Provisioner {
  /** The issuer's id. */
  readonly issuer: string;
  /** The `iss` of the token; "" if the issuer's `map` names the tenant, so that no value of a claim is its maker. */
  readonly iss: string;
  readonly plan: string;
  /** The display name of a tenant that the token makes. */
  readonly name?: string;
  /** The issuer's `map` names the tenant. */
  readonly isMapped: boolean;
}

export const TENANT_OUT_OF_REACH = problem(
  "tenant_mismatch",
  "Tokens of this issuer reach only tenants that they made and that exist.",
  { step: "tenant" },
);

/**
 * @param iss of the token
 * @param isMapped the issuer's `map` names the tenant; absent for a grant
 * @param name the claim that has the tenant's display name
 */
export function provisionerOf(
  { id: issuer, provision, tenant: source }: Pick<Issuer, "id" | "provision" | "tenant">,
  iss: string,
  tenant: string,
  isMapped = source.kind === "claim" && Object.values(source.map ?? {}).includes(tenant),
  name?: unknown,
): { readonly provisioner?: Provisioner } {
  if (!provision) return {};
  const isName = v.is(displayName, name);
  const maker = { issuer, iss: isMapped ? "" : iss, isMapped };
  return { provisioner: { ...maker, plan: provision.plan, ...(isName && { name }) } };
}

/**
 * Whether credentials reach a tenant. Customers may choose the values of claims: those of an issuer that makes tenants reach only
 * what such values made, and what the operator has mapped them to. The `iss` counts, too: whoever gets an issuer's id later, or has
 * another directory of a provider, did not make the tenant.
 */
export function reaches({ issuer, iss, isMapped }: Provisioner, { isProspect, provisionedBy: by }: Tenant): boolean {
  return isMapped || isProspect === true || (by?.issuer === issuer && by.iss === iss);
}
