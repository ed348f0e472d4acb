import type { TenantStore } from "../../core/ports/admin-registry.ts";
import { invalidField } from "../../core/shared/invalid-field.ts";
import type { TenantDocument } from "../../core/shared/admin-documents.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM, NO_SUCH_TENANT } from "../../core/shared/tenant.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { type TenantRow, isoTime } from "./rows.ts";

/** Whether a tenant of this id was ever deleted: the ledger of that tenant is kept under the id. */
const WAS_DELETED = "EXISTS (SELECT 1 FROM audit WHERE tenant = ?1 AND action = 'tenant.delete')";

/** A policy or limits without members, as stored. */
const EMPTY = "{}";

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

    async put(id, { name = null, policy, limits, upstream, suspended, unfinishedUploads }, restore = false) {
      const before = await find(id);
      // One statement, because the upstream or the tenant may be changed or deleted at the same time.
      const query: Query = [
        `INSERT INTO tenants (id, name, policy, limits, upstream, suspended, abandoned, created_at, updated_at, version)
         SELECT ?1, ?2, coalesce(?3, '${EMPTY}'), coalesce(?4, '${EMPTY}'), ?5, ?6, ?7, ?8, ?8, ?8
           WHERE (?5 = '${DEFAULT_UPSTREAM}' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5))
             AND (?9 OR EXISTS (SELECT 1 FROM tenants WHERE id = ?1) OR NOT ${WAS_DELETED})
         ON CONFLICT (id) DO UPDATE SET name = ?2, policy = excluded.policy, limits = excluded.limits, upstream = ?5,
           suspended = ?6, abandoned = ?7, updated_at = ?8, version = max(version + 1, ?8)
           WHERE (?3 NOTNULL OR policy = '${EMPTY}') AND (?4 NOTNULL OR limits = '${EMPTY}')`,
        [
          id,
          name,
          policy === undefined ? null : JSON.stringify(policy),
          limits === undefined ? null : JSON.stringify(limits),
          upstream,
          suspended ? 1 : 0,
          unfinishedUploads,
          now(),
          restore ? 1 : 0,
        ],
      ];
      const details = {
        name,
        policy: policy ?? {},
        limits: limits ?? {},
        upstream,
        suspended,
        abandoned: unfinishedUploads,
      };
      const written = await writeFor(id, [query], { action: "tenant.put", target: id, tenant: id, details });
      const after = await find(id);
      if (written === 0) {
        const missing = Object.entries({ policy, limits }).find(
          ([member, value]) => value === undefined && after && after[member as "policy" | "limits"] !== EMPTY,
        );
        if (missing)
          return invalidField(missing[0], "is required, since the tenant has one that is not empty; {} empties it");
        return !before && !restore && (await wasDeleted(id))
          ? err(TENANT_ID_RETIRED)
          : invalidField("upstream", `there is no upstream "${upstream}"`);
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
    policy: JSON.parse(row.policy) as unknown,
    limits: JSON.parse(row.limits) as TenantDocument["limits"],
    upstream: row.upstream,
    suspended: row.suspended !== 0,
    unfinishedUploads: row.abandoned,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}
