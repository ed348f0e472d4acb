import { RegistryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { DEFAULT_UPSTREAM } from "../../core/shared/tenant.ts";
import { errorMessage } from "../../core/shared/text.ts";
import { type AuditEntry, auditQuery } from "./audit-entry.ts";
import type { Query } from "./query.ts";

/** Notified of writes, before the caller gets its result. */
export interface Listeners {
  /**
   * After every write except notes and additions, also after a failed one.
   *
   * @param bookmark of the database after the write
   */
  onWrite(bookmark: D1SessionBookmark | null): void;
  /** After a change to a tenant or to anything that belongs to it. */
  onTenantChanged(tenant: string, version: number, hasEndpoints: boolean): Promise<void>;
  /**
   * After a change to a plan.
   *
   * @param upstreams ids of all upstreams
   * @returns the newest version of the plan that any upstream's budget object knows
   */
  onPlanChanged(plan: string, version: number, upstreams: readonly string[]): Promise<number>;
}

/** Runs the registry's statements on D1; a batch is a transaction. Every method throws `RegistryUnavailable` if D1 fails. */
export interface Database {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly all: <Row>(...query: Query) => Promise<Row[]>;
  readonly first: <Row>(...query: Query) => Promise<Row | null>;
  /** Runs the queries in one batch and returns the number of rows the last one changed; if any, `entry` is recorded too. */
  readonly write: (queries: readonly Query[], entry?: AuditEntry) => Promise<number>;
  /**
   * Like `write`, for what belongs to a tenant, and then sends the tenant's new version to its ledger: from then on the ledger
   * rejects decisions that rest on an older one. Deleting a tenant counts as a change; the last query must then return the
   * `version` it had.
   */
  readonly writeFor: (tenant: string, queries: readonly Query[], entry?: AuditEntry) => Promise<number>;
  /** Like `write`, for rows that nothing cached is decided by: caches stay valid. */
  readonly add: (queries: readonly Query[], entry: AuditEntry) => Promise<number>;
  /** Sends a plan's version to the budget objects of all upstreams. @returns the newest version that any of them knows */
  readonly announcePlan: (plan: string, version: number) => Promise<number>;
  /** Writes a row that no request is decided by, so caches stay valid. */
  readonly note: (...query: Query) => Promise<void>;
  /** The query that increases a tenant's version. */
  readonly bumpVersion: (tenant: string) => Query;
}

export function createDatabase(db: D1Database, now: () => number, listeners: Listeners): Database {
  const prepare = (on: D1Database | D1DatabaseSession, [sql, values]: Query) => on.prepare(sql).bind(...values);
  const first = <Row>(...query: Query) => orUnavailable(prepare(db, query).first<Row>());

  /** @returns how many rows the last of the queries changed, and the row it returned */
  const run = async (queries: readonly Query[], entry?: AuditEntry, keepsCaches = false) => {
    const session = db.withSession("first-primary");
    const recorded = entry ? [...queries, auditQuery(entry, now())] : queries;
    try {
      const statements = recorded.map((query) => prepare(session, query));
      const results = await orUnavailable(session.batch<{ version?: number }>(statements));
      const last = results[queries.length - 1];
      return { changes: last?.meta.changes ?? 0, row: last?.results[0] };
    } finally {
      if (!keepsCaches) listeners.onWrite(session.getBookmark());
    }
  };

  const all = async <Row>(...query: Query) => (await orUnavailable(prepare(db, query).all<Row>())).results;

  return {
    now,
    first,
    all,
    write: async (queries, entry) => (await run(queries, entry)).changes,
    add: async (queries, entry) => (await run(queries, entry, true)).changes,
    note: async (...query) => void (await orUnavailable(prepare(db, query).run())),

    async announcePlan(plan, version) {
      const stored = await all<{ id: string }>("SELECT id FROM upstreams", []);
      const upstreams = [DEFAULT_UPSTREAM, ...stored.map(({ id }) => id)];
      return orUnavailable(listeners.onPlanChanged(plan, version, upstreams));
    },

    async writeFor(tenant, queries, entry) {
      const { changes, row: before } = await run(queries, entry);
      // Also if nothing changed: an earlier call may have made the change and failed before it notified the ledger.
      // One statement, so that of two concurrent changes the later version comes with the later `has_endpoints`.
      const state = await first<{ version: number; has_endpoints: number }>(
        `SELECT version, EXISTS (SELECT 1 FROM endpoints WHERE tenant = tenants.id) AS has_endpoints
         FROM tenants WHERE id = ?`,
        [tenant],
      );
      const version = state?.version ?? Math.max(now(), (before?.version ?? 0) + 1);
      await orUnavailable(listeners.onTenantChanged(tenant, version, state?.has_endpoints === 1));
      return changes;
    },

    bumpVersion: (tenant) => ["UPDATE tenants SET version = max(version + 1, ?2) WHERE id = ?1", [tenant, now()]],
  };
}

async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new RegistryUnavailable(errorMessage(error), { cause: error });
  }
}
