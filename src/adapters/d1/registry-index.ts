import type { Config } from "../../config.ts";
import { type Result, accept, refuse } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";
import type { Directory } from "../../core/ports/registry.ts";
import { registryUnavailable } from "./database.ts";

/** Reads the ids that D1 has, past the cache. */
export function createDirectory(db: D1Database, { defaultUpstream }: Pick<Config, "defaultUpstream">): Directory {
  async function ids(sql: string, ...values: readonly (string | number)[]): Promise<Result<readonly string[]>> {
    try {
      const { results } = await db
        .prepare(sql)
        .bind(...values)
        .all<{ id: string }>();
      return accept(results.map(({ id }) => id));
    } catch (error) {
      return refuse(registryUnavailable(error));
    }
  }

  return {
    tenantsOn: (upstream, { after, limit }) =>
      ids("SELECT id FROM tenants WHERE upstream = ? AND id > ? ORDER BY id LIMIT ?", upstream, after, limit),

    async existing(tenants) {
      const found = await ids(
        "SELECT id FROM tenants WHERE id IN (SELECT value FROM json_each(?))",
        JSON.stringify(tenants),
      );
      return found.ok ? accept(new Set(found.value)) : found;
    },

    async upstreams(accountId) {
      const found = await (accountId === undefined
        ? ids("SELECT id FROM upstreams ORDER BY id")
        : ids("SELECT id FROM upstreams WHERE account_id = ? ORDER BY id", accountId));
      const isDefault = defaultUpstream && (accountId === undefined || defaultUpstream.accountId === accountId);
      return found.ok && isDefault ? accept([DEFAULT_UPSTREAM, ...found.value]) : found;
    },
  };
}
