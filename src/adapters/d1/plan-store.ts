import type { PlanStore } from "../../core/ports/admin-registry.ts";
import type { PlanDocument } from "../../core/shared/admin-documents.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { DEFAULT_UPSTREAM, NO_SUCH_PLAN } from "../../core/shared/tenant.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";
import { EMPTY, whyNotPut } from "./put-refusal.ts";
import { type PlanRow, isoTime } from "./rows.ts";

const USES = `
  SELECT (SELECT count(*) FROM tenants WHERE plan = ?1) AS tenants,
    (SELECT count(*) FROM issuers WHERE document ->> '$.provision.plan' = ?1) AS issuers`;

/**
 * Plans. A change is first written to D1, then announced to the budget objects of all upstreams, and only then answered: from the
 * answer on, no object grants a creation that was decided by an older version.
 *
 * - No creation slips through: one that was decided by the older version read D1 before the change. So its upstream was in D1 then
 *   and is announced to, or it was deleted since; then the tenant had left it before, and the tenant's ledger knows.
 * - No tenant is stuck: after each announcement D1 has a version that is at least as new, so a creation that reads D1 past the cache
 *   is never stale. Where an object cannot be reached, the call fails; a repeated call makes a still newer version and announces it.
 * - After D1 was restored, or the plan was deleted and made again meanwhile, the objects know a newer version: the plan takes one
 *   above that.
 */
export function createPlanStore({ all, first, write, announcePlan, now }: Database): PlanStore {
  const find = (id: string) => first<PlanRow>("SELECT * FROM plans WHERE id = ?", [id]);
  /** @returns the plan as it is then */
  const announce = async (id: string, version: number): Promise<PlanRow | null> => {
    const known = await announcePlan(id, version);
    const row = await find(id);
    if (!row || known <= row.version) return row;
    await write([["UPDATE plans SET version = max(version, ?2) + 1 WHERE id = ?1", [id, known]]]);
    return announce(id, known + 1);
  };

  return {
    async list({ cursor, limit }) {
      return (await all<PlanRow>("SELECT * FROM plans WHERE id > ? ORDER BY id LIMIT ?", [cursor, limit])).map(
        planDocument,
      );
    },

    async get(id) {
      const row = await find(id);
      return row ? planDocument(row) : undefined;
    },

    async put(id, { name = null, policy, limits, upstream = null }) {
      const before = await find(id);
      // One statement, because the upstream may be deleted at the same time.
      const query: Query = [
        `INSERT INTO plans (id, name, policy, limits, upstream, created_at, updated_at, version)
         SELECT ?1, ?2, coalesce(?3, '${EMPTY}'), coalesce(?4, '${EMPTY}'), ?5, ?6, ?6, ?6
           WHERE ?5 ISNULL OR ?5 = '${DEFAULT_UPSTREAM}' OR EXISTS (SELECT 1 FROM upstreams WHERE id = ?5)
         ON CONFLICT (id) DO UPDATE SET name = ?2, policy = excluded.policy, limits = excluded.limits, upstream = ?5,
           updated_at = ?6, version = max(version + 1, ?6)
           WHERE (?3 NOTNULL OR policy = '${EMPTY}') AND (?4 NOTNULL OR limits = '${EMPTY}')`,
        [id, name, JSON.stringify(policy) ?? null, JSON.stringify(limits) ?? null, upstream, now()],
      ];
      const details = { name, policy: policy ?? {}, limits: limits ?? {}, upstream };
      const written = await write([query], { action: "plan.put", target: id, details });
      const put = await find(id);
      if (written === 0) return whyNotPut("plan", { policy, limits }, put && planDocument(put), upstream);
      const after = put && (await announce(id, put.version));
      return after ? ok({ document: planDocument(after), created: !before }) : err(NO_SUCH_PLAN);
    },

    async delete(id) {
      const before = await find(id);
      // One statement, because a tenant may be put on the plan at the same time.
      const sql = `DELETE FROM plans WHERE id = ?1 AND (0, 0) = (${USES})`;
      const deleted = await write([[sql, [id]]], { action: "plan.delete", target: id });
      if (deleted === 0 && (await find(id))) {
        const uses = await first<{ tenants: number; issuers: number }>(USES, [id]);
        return err(problem("conflict", `The plan is in use (tenants: ${uses?.tenants}, issuers: ${uses?.issuers}).`));
      }
      // Also if it was gone: an earlier call may have deleted it and failed before it had announced that.
      await announce(id, Math.max(now(), before?.version ?? 0));
      return ok(deleted > 0);
    },
  };
}

function planDocument(row: PlanRow): PlanDocument {
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    policy: JSON.parse(row.policy) as unknown,
    limits: JSON.parse(row.limits) as PlanDocument["limits"],
    ...(row.upstream !== null && { upstream: row.upstream }),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}
