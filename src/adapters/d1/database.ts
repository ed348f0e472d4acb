import { type Problem, problem } from "../../core/shared/problem.ts";
import { errorMessage } from "../../core/shared/text.ts";
import { type AuditEntry, auditQuery } from "./audit-log.ts";
import type { Query } from "./query.ts";

/** The database cannot be asked. Whether a change that it was asked for has been made is not known. */
export class RegistryUnavailable extends Error {
  override readonly name = "RegistryUnavailable";
}

/** The refusal that a failed question becomes, and a row that cannot be read. */
export function registryUnavailable(error: unknown): Problem {
  const facts = { reason: errorMessage(error) };
  return problem("registry_unavailable", "The registry is not available at the moment.", { facts });
}

/** Who is told of changes, before they are answered. */
export interface Listeners {
  /** Of every write but notes, with a bookmark of the database as it is then. */
  onWrite(bookmark: D1SessionBookmark | null): void;
  /** Of a tenant's new version, and whether it has endpoints: when it, or anything that belongs to it, has changed. */
  onTenantChanged(tenant: string, version: number, hasEndpoints: boolean): Promise<void>;
}

/** Runs statements of the registry's on D1. What belongs together is one batch, which is a transaction. */
export interface Database {
  readonly now: () => number;
  readonly all: <Row>(...query: Query) => Promise<Row[]>;
  readonly first: <Row>(...query: Query) => Promise<Row | null>;
  /** Counts the rows that the last of the queries changed. If there are any, the audit is added to with them. */
  readonly write: (queries: readonly Query[], entry?: AuditEntry) => Promise<number>;
  /**
   * Writes what belongs to a tenant, and tells its ledger: from then on nothing is accepted that was decided by what had
   * been before. A tenant that is no more is told of as one that has changed; its last query then gives the version that
   * it had.
   */
  readonly writeFor: (tenant: string, queries: readonly Query[], entry?: AuditEntry) => Promise<number>;
  /** Writes what nobody's request is decided by: what is cached stays as good as it was. */
  readonly note: (...query: Query) => Promise<void>;
  /** Makes a tenant's version greater. */
  readonly bumpVersion: (tenant: string) => Query;
}

export function createDatabase(db: D1Database, now: () => number, listeners: Listeners): Database {
  const prepare = (on: D1Database | D1DatabaseSession, [sql, values]: Query) => on.prepare(sql).bind(...values);
  const first = <Row>(...query: Query) => available(prepare(db, query).first<Row>());

  /** What the last of the queries changed, and the row that it gave. */
  const run = async (queries: readonly Query[], entry?: AuditEntry) => {
    const session = db.withSession("first-primary");
    const all = entry ? [...queries, auditQuery(entry, now())] : queries;
    try {
      const results = await available(session.batch<{ version?: number }>(all.map((query) => prepare(session, query))));
      const last = results[queries.length - 1];
      return { changes: last?.meta.changes ?? 0, row: last?.results[0] };
    } finally {
      listeners.onWrite(session.getBookmark());
    }
  };

  return {
    now,
    first,
    write: async (queries, entry) => (await run(queries, entry)).changes,
    note: async (...query) => void (await available(prepare(db, query).run())),
    all: async <Row>(...query: Query) => (await available(prepare(db, query).all<Row>())).results,

    async writeFor(tenant, queries, entry) {
      const { changes, row: before } = await run(queries, entry);
      // Told even where nothing was left to change: a call before this one may have changed it and got no further.
      // Both in one statement: of two changes, the later version comes with what is there later.
      const state = await first<{ version: number; has_endpoints: number }>(
        `SELECT version, EXISTS (SELECT 1 FROM endpoints WHERE tenant = tenants.id) AS has_endpoints
         FROM tenants WHERE id = ?`,
        [tenant],
      );
      const version = state?.version ?? Math.max(now(), (before?.version ?? 0) + 1);
      await available(listeners.onTenantChanged(tenant, version, state?.has_endpoints === 1));
      return changes;
    },

    bumpVersion: (tenant) => ["UPDATE tenants SET version = max(version + 1, ?2) WHERE id = ?1", [tenant, now()]],
  };
}

async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new RegistryUnavailable(errorMessage(error), { cause: error });
  }
}
