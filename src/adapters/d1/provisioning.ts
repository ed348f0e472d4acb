import { type Provisioner, TENANT_OUT_OF_REACH } from "../../core/auth/rules/provisioning.ts";
import type { Provisioning } from "../../core/ports/provisioning.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import { registryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { err, ok } from "../../core/shared/result.ts";
import { attempt } from "../attempt.ts";
import type { Database } from "./database.ts";
import { settingsColumns } from "./rows.ts";
import { WAS_DELETED } from "./tenant-store.ts";

const MINUTE_MS = 60_000;

/** The columns of a tenant whose plan says everything. */
export const EMPTY_TENANT = settingsColumns("", {});

/** An issuer that makes tenants, with its limits. A revoked one has no scopes. */
const ISSUER = `
  SELECT id, document ->> '$.provision.plan' AS plan, document ->> '$.provision.maxTenants' AS max_tenants,
    document ->> '$.provision.maxPerMinute' AS max_per_minute
  FROM issuers WHERE id = ?2 AND scopes <> '[]' AND document ->> '$.provision.plan' NOTNULL`;

const MADE = "FROM tenants WHERE provisioned_by = ?2";

/** Within a minute of ?3. A clock that was ahead must not keep out new tenants until the other clocks are there. */
const MADE_LATELY = `${MADE} AND provisioned_at BETWEEN ?3 - ${MINUTE_MS - 1} AND ?3 + ${MINUTE_MS - 1}`;

/** Asked first, as it reads few rows: whoever sends many requests must not have all tenants of the issuer counted each time. */
const IS_BUSY = `(SELECT count(*) ${MADE_LATELY}) >= max_per_minute`;
const IS_FULL = `(SELECT count(*) ${MADE}) >= max_tenants`;

/** One statement, because other requests make tenants at the same time, and the operator deletes them and changes issuers. */
const PROVISION = `
  INSERT INTO tenants
    (id, name, limits, upstream, created_at, updated_at, version, plan, document, provisioned_by, provisioned_iss, provisioned_at)
  SELECT ?1, ?4, '${EMPTY_TENANT.limits}', '${EMPTY_TENANT.upstream}', ?3, ?3, ?3, plans.id, '${EMPTY_TENANT.document}',
    issuer.id, ?5, ?3
  FROM (${ISSUER}) issuer JOIN plans ON plans.id = issuer.plan
  WHERE NOT ${WAS_DELETED} AND NOT (${IS_BUSY} OR ${IS_FULL})
  ON CONFLICT (id) DO NOTHING`;

/** Why no tenant was made. */
const WHY_NOT = `
  SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?1) AS tenant_exists, ${WAS_DELETED} AS was_deleted, issuer.id AS issuer,
    NOT ${IS_BUSY} AND ${IS_FULL} AS is_full, (SELECT min(provisioned_at) ${MADE_LATELY}) AS since
  FROM (SELECT 1) LEFT JOIN (${ISSUER}) issuer`;

interface WhyNot {
  readonly tenant_exists: number;
  readonly was_deleted: number;
  readonly issuer: string | null;
  readonly is_full: number | null;
  readonly since: number | null;
}

export function createProvisioning({ add, first, now }: Pick<Database, "add" | "first" | "now">): Provisioning {
  /** @returns why there is no tenant now */
  const make = async (tenant: string, { issuer, iss, name = null }: Row): Promise<Problem | undefined> => {
    const key = [tenant, issuer, now()] as const;
    const made = await add([[PROVISION, [...key, name, iss]]], {
      actor: "sluice",
      action: "tenant.provision",
      target: tenant,
      tenant,
      details: { name, issuer, iss },
    });
    const why = made > 0 ? null : await first<WhyNot>(WHY_NOT, [...key]);
    if (!why || why.tenant_exists) return undefined;
    if (why.was_deleted) return TENANT_OUT_OF_REACH;
    if (why.issuer === null) return NO_PROVISIONER;
    if (why.is_full) return NO_ROOM;
    return busy(Math.max(1, Math.ceil(((why.since ?? 0) + MINUTE_MS - now()) / 1000)));
  };

  return {
    async provision(tenant, by) {
      const whyNot = await attempt(() => make(tenant, by), registryUnavailable);
      if (!whyNot.ok) return whyNot;
      return whyNot.value ? err(whyNot.value) : ok(undefined);
    },
  };
}

interface Row extends Omit<Provisioner, "name"> {
  readonly name?: string | null;
}

const NO_PROVISIONER = problem("credential_revoked", "The token's issuer makes no tenants any more.");

/** Waiting does not help: the operator has to. */
const NO_ROOM = problem("provisioning_limit", "Tokens of this issuer have made as many tenants as they may.");

function busy(retryAfterSeconds: number): Problem {
  return problem("provisioning_busy", `Too many new tenants. Try again in ${retryAfterSeconds} seconds.`, {
    retryAfterSeconds,
  });
}
