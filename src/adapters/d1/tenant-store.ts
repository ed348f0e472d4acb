import type { TenantStore } from "../../core/ports/admin-registry.ts";
import { invalidField } from "../../core/shared/invalid-field.ts";
import type { TenantDocument } from "../../core/shared/admin-documents.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM, NO_SUCH_TENANT } from "../../core/shared/tenant.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { EMPTY, whyNotPut } from "./put-refusal.ts";
import { type TenantRow, isoTime, ownSettings, provisionedBy, settingsColumns } from "./rows.ts";

/** Whether a tenant of the id ?1 was ever deleted: the ledger of that tenant is kept under the id. */
export const WAS_DELETED = "EXISTS (SELECT 1 FROM audit WHERE tenant = ?1 AND action = 'tenant.delete')";

const TENANT_ID_RETIRED = problem(
  "conflict",
  "A tenant with this id was deleted, and its uploads are kept. Choose another id, or restore the tenant with ?restore=true.",
);

export function createTenantStore({ all, first, writeFor, now }: Database): TenantStore {
  const find = (id: string) => first<TenantRow>("SELECT * FROM tenants WHERE id = ?", [id]);
  const wasDeleted = async (id: string) =>
    (await first<{ deleted: number }>(`SELECT ${WAS_DELETED} AS deleted`, [id]))?.deleted === 1;

  return {
    async list({ cursor, limit }) {
      const sql = "SELECT * FROM tenants WHERE id > ? ORDER BY id LIMIT ?";
      return (await all<TenantRow>(sql, [cursor, limit])).map(tenantDocument);
    },

    async get(id) {
      const row = await find(id);
      return row ? tenantDocument(row) : undefined;
    },

    async put(id, { name = null, plan, policy, limits, upstream, suspended, unfinishedUploads }, restore = false) {
      const before = await find(id);
      const columns = settingsColumns(plan, { policy, limits, upstream });
      const isGiven = [policy, limits, plan].map((member) => (member === undefined ? 0 : 1));
      // A restored tenant belongs to the issuer whose token made it, as the audit says.
      // One statement, because plan, upstream or tenant may be changed or deleted at the same time.
      const query: Query = [
        `INSERT INTO tenants
           (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version, plan, document,
            provisioned_by, provisioned_iss, provisioned_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8, ?10, ?11, made.details ->> 'issuer', made.details ->> 'iss', made.at
           FROM (SELECT 1) LEFT JOIN audit made ON made.tenant = ?1 AND made.action = 'tenant.provision'
           WHERE (?5 IN ('${DEFAULT_UPSTREAM}', '') OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5))
             AND (?10 ISNULL OR EXISTS (SELECT 1 FROM plans WHERE id = ?10))
             AND (?9 OR EXISTS (SELECT 1 FROM tenants WHERE id = ?1) OR NOT ${WAS_DELETED})
         ON CONFLICT (id) DO UPDATE SET name = ?2, policy = ?3, limits = ?4, upstream = ?5, suspended = ?6, abandoned = ?7,
           updated_at = ?8, version = max(version + 1, ?8), plan = ?10, document = ?11
           WHERE (?12 OR coalesce(document ->> 'policy', policy) = '${EMPTY}')
             AND (?13 OR coalesce(document ->> 'limits', limits) = '${EMPTY}') AND (?14 OR plan ISNULL)`,
        [
          id,
          name,
          columns.policy,
          columns.limits,
          columns.upstream,
          suspended ? 1 : 0,
          unfinishedUploads,
          now(),
          restore ? 1 : 0,
          plan ?? null,
          columns.document,
          ...isGiven,
        ],
      ];
      const details = {
        name,
        ...(typeof plan === "string" && { plan }),
        policy: policy ?? {},
        limits: limits ?? {},
        upstream: columns.upstream || null,
        suspended,
        abandoned: unfinishedUploads,
      };
      const written = await writeFor(id, [query], { action: "tenant.put", target: id, tenant: id, details });
      const after = await find(id);
      if (written === 0) {
        if (!before && !restore && (await wasDeleted(id))) return err(TENANT_ID_RETIRED);
        if (plan === undefined && after?.plan != null)
          return invalidField("plan", `is required, since the tenant is on ${after.plan}; null takes it off`);
        if (typeof plan === "string" && !(await first("SELECT 1 FROM plans WHERE id = ?", [plan])))
          return invalidField("plan", `there is no plan "${plan}"`);
        return whyNotPut("tenant", { policy, limits }, after && ownSettings(after), upstream);
      }
      return after ? ok({ document: tenantDocument(after), created: !before }) : err(NO_SUCH_TENANT);
    },

    async delete(id) {
      const deleted = await writeFor(
        id,
        [
          ["DELETE FROM api_keys WHERE tenant = ?", [id]],
          ["DELETE FROM issuers WHERE tenant = ?", [id]],
          ["DELETE FROM endpoints WHERE tenant = ?", [id]],
          ["DELETE FROM tenants WHERE id = ? RETURNING version", [id]],
        ],
        { action: "tenant.delete", target: id, tenant: id },
      );
      return deleted > 0;
    },
  };
}

/** The column `abandoned` is the document's `unfinishedUploads`. */
function tenantDocument(row: TenantRow): TenantDocument {
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    ...(row.plan !== null && { plan: row.plan }),
    ...ownSettings(row),
    ...(row.upstream && { upstream: row.upstream }),
    ...provisionedBy(row),
    suspended: row.suspended !== 0,
    unfinishedUploads: row.abandoned,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}
