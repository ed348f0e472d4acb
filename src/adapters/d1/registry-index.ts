import type { Config } from "../../config.ts";
import type { RegistryIndex } from "../../core/ports/registry.ts";
import { registryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { type Result, ok } from "../../core/shared/result.ts";
import { attempt } from "../attempt.ts";
import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";

/** The tenants that have the upstream `?1` from their plan. */
export const INHERITING = `
  SELECT id FROM tenants
  WHERE upstream = '' AND plan IN (SELECT id FROM plans WHERE coalesce(upstream, '${DEFAULT_UPSTREAM}') = ?1)`;

/** Lists ids from D1. */
export function createRegistryIndex(
  db: D1Database,
  { defaultUpstream }: Pick<Config, "defaultUpstream">,
): RegistryIndex {
  const selectIds = (sql: string, ...values: readonly (string | number)[]): Promise<Result<readonly string[]>> =>
    attempt(async () => {
      const { results } = await db
        .prepare(sql)
        .bind(...values)
        .all<{ id: string }>();
      return results.map(({ id }) => id);
    }, registryUnavailable);

  return {
    listTenantIds: (upstream, { after, limit }) =>
      selectIds(
        `SELECT id FROM tenants WHERE upstream = ?1 AND id > ?2 UNION ALL ${INHERITING} AND id > ?2 ORDER BY id LIMIT ?3`,
        upstream,
        after,
        limit,
      ),

    async filterExistingTenants(tenants) {
      const sql = "SELECT id FROM tenants WHERE id IN (SELECT value FROM json_each(?))";
      const existing = await selectIds(sql, JSON.stringify(tenants));
      return existing.ok ? ok(new Set(existing.value)) : existing;
    },

    async listUpstreamIds(accountId) {
      const stored = await (accountId === undefined
        ? selectIds("SELECT id FROM upstreams ORDER BY id")
        : selectIds("SELECT id FROM upstreams WHERE account_id = ? ORDER BY id", accountId));
      const hasDefault = defaultUpstream && (accountId === undefined || defaultUpstream.accountId === accountId);
      return stored.ok && hasDefault ? ok([DEFAULT_UPSTREAM, ...stored.value]) : stored;
    },
  };
}
