import type { Config } from "../../config.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";
import type { RegistryIndex } from "../../core/ports/registry.ts";
import { registryUnavailable } from "./database.ts";

/** Reads the ids that D1 has, past the cache. */
export function createRegistryIndex(
  db: D1Database,
  { defaultUpstream }: Pick<Config, "defaultUpstream">,
): RegistryIndex {
  async function ids(sql: string, ...values: readonly (string | number)[]): Promise<Result<readonly string[]>> {
    try {
      const { results } = await db
        .prepare(sql)
        .bind(...values)
        .all<{ id: string }>();
      return ok(results.map(({ id }) => id));
    } catch (error) {
      return err(registryUnavailable(error));
    }
  }

  return {
    listTenantIds: (upstream, { after, limit }) =>
      ids("SELECT id FROM tenants WHERE upstream = ? AND id > ? ORDER BY id LIMIT ?", upstream, after, limit),

    async filterExistingTenants(tenants) {
      const found = await ids(
        "SELECT id FROM tenants WHERE id IN (SELECT value FROM json_each(?))",
        JSON.stringify(tenants),
      );
      return found.ok ? ok(new Set(found.value)) : found;
    },

    async listUpstreamIds(accountId) {
      const found = await (accountId === undefined
        ? ids("SELECT id FROM upstreams ORDER BY id")
        : ids("SELECT id FROM upstreams WHERE account_id = ? ORDER BY id", accountId));
      const isDefault = defaultUpstream && (accountId === undefined || defaultUpstream.accountId === accountId);
      return found.ok && isDefault ? ok([DEFAULT_UPSTREAM, ...found.value]) : found;
    },
  };
}
