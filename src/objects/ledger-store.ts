import { type CountedUpload, type Standing, type Totals, count, emptyTotals, rollOver } from "../domain/ledger.ts";
import type { Limits } from "../domain/limits.ts";
import { LIVE_STATES, type UploadState } from "../domain/upload.ts";
import { LEDGER_SCHEMA, type UploadRow } from "./ledger-schema.ts";

/** Finished uploads that are not at Stream count for nothing once their month is over; kept a little longer, to be seen. */
const KEEP_FINISHED_SECONDS = 40 * 24 * 60 * 60;
/** Deleted at a time, so that no alarm takes long. */
const PRUNE_ROWS = 500;

/** An object takes about 1,000 requests a second; a higher limit per minute than this is none. */
const MAX_RECENT = 10_000;

const LIVE = `state IN (${LIVE_STATES.map((state) => `'${state}'`).join(", ")})`;

/** What may change of an upload. */
export type UploadChange = Partial<Pick<UploadRow, "uid" | "location" | "idempotency" | "seconds" | "due">> & {
  readonly state?: UploadState;
};

/** The rows of one ledger; whatever changes an upload changes the totals with it. Synchronous, as SQLite in an object is. */
export class LedgerStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(LEDGER_SCHEMA);
  }

  /** The version of the tenant that decisions must not be older than. */
  version(): number {
    return this.#ledger()?.version ?? 0;
  }

  learn(version: number, now: number): void {
    this.#sql.exec(
      `INSERT INTO ledger (one, version, totals) VALUES (1, ?1, ?2)
       ON CONFLICT (one) DO UPDATE SET version = max(version, ?1)`,
      version,
      JSON.stringify(emptyTotals(now)),
    );
  }

  totals(now: number): Totals {
    const ledger = this.#ledger();
    return ledger ? rollOver(JSON.parse(ledger.totals) as Totals, now) : emptyTotals(now);
  }

  insert(row: UploadRow, now: number): void {
    this.#sql.exec(
      `INSERT INTO uploads
         (id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.state,
      row.creator,
      row.uid,
      row.location,
      row.idempotency,
      row.fingerprint,
      row.upstream,
      row.bytes,
      row.seconds,
      row.created,
      row.expires,
      row.due,
    );
    this.#count(undefined, row, now);
  }

  change(row: UploadRow, change: UploadChange, now: number): UploadRow {
    const changed: UploadRow = { ...row, ...change };
    this.#sql.exec(
      "UPDATE uploads SET state = ?, uid = ?, location = ?, idempotency = ?, seconds = ?, due = ? WHERE id = ?",
      changed.state,
      changed.uid,
      changed.location,
      changed.idempotency,
      changed.seconds,
      changed.due,
      row.id,
    );
    if (changed.state !== row.state || changed.seconds !== row.seconds) this.#count(row, changed, now);
    return changed;
  }

  delete(row: UploadRow, now: number): void {
    this.#sql.exec("DELETE FROM uploads WHERE id = ?", row.id);
    // Of its day and month it is taken away altogether, as if it had never been asked for.
    this.#count(row, undefined, now);
  }

  byId(id: string): UploadRow | undefined {
    return this.#first("SELECT * FROM uploads WHERE id = ?", id);
  }

  byIdempotency(key: string): UploadRow | undefined {
    return this.#first("SELECT * FROM uploads WHERE idempotency = ?", key);
  }

  /** What a creation is held against; each look-up is bounded by a limit or by the number of live uploads. */
  standing(limits: Limits, creator: string | undefined, now: number): Standing {
    const { rate = {}, pendingPerCreator } = limits;
    const recent = (where: string, most: number | undefined, ...values: string[]) =>
      most
        ? this.#sql
            .exec<{ created: number }>(
              `SELECT created FROM uploads ${where} ORDER BY seq DESC LIMIT ?`,
              ...values,
              Math.min(most, MAX_RECENT),
            )
            .toArray()
            .map(({ created }) => created)
        : [];
    const creatorPending =
      creator === undefined || pendingPerCreator === undefined
        ? 0
        : (this.#value(`SELECT count(*) AS value FROM uploads WHERE creator = ? AND ${LIVE}`, creator) ?? 0);
    return {
      totals: this.totals(now),
      creatorPending,
      tenantRecent: recent("", rate.tenant),
      creatorRecent: creator === undefined ? [] : recent("WHERE creator = ?", rate.creator, creator),
      nextExpiry: () => this.#value(`SELECT min(expires) AS value FROM uploads WHERE ${LIVE}`),
    };
  }

  /** Live uploads whose time is over. */
  due(now: number, limit: number): UploadRow[] {
    return this.#sql
      .exec<UploadRow>(`SELECT * FROM uploads WHERE ${LIVE} AND due <= ? ORDER BY due LIMIT ?`, now, limit)
      .toArray();
  }

  /** When the next of the live uploads is due. */
  nextDue(): number | undefined {
    return this.#value(`SELECT min(due) AS value FROM uploads WHERE ${LIVE}`);
  }

  /** Forgets finished uploads that count for nothing any more. */
  prune(now: number): void {
    this.#sql.exec(
      `DELETE FROM uploads WHERE seq IN (
         SELECT seq FROM uploads
         WHERE seq < (SELECT coalesce(max(seq), 0) FROM uploads) AND created < ?1
           AND state IN ('failed', 'expired', 'cancelled')
         ORDER BY seq LIMIT ${PRUNE_ROWS})`,
      now - KEEP_FINISHED_SECONDS,
    );
  }

  /** The totals as they would be if they were counted anew; for tests and repair. */
  recount(now: number): Totals {
    let totals = emptyTotals(now);
    for (const row of this.#sql.exec<UploadRow>("SELECT * FROM uploads"))
      totals = count(totals, undefined, counted(row));
    return totals;
  }

  #count(before: UploadRow | undefined, after: UploadRow | undefined, now: number): void {
    const totals = count(this.totals(now), before && counted(before), after && counted(after));
    this.#sql.exec(
      "INSERT INTO ledger (one, version, totals) VALUES (1, 0, ?1) ON CONFLICT (one) DO UPDATE SET totals = ?1",
      JSON.stringify(totals),
    );
  }

  #ledger(): { readonly version: number; readonly totals: string } | undefined {
    return this.#sql.exec<{ version: number; totals: string }>("SELECT version, totals FROM ledger").toArray()[0];
  }

  #first(query: string, value: string): UploadRow | undefined {
    return this.#sql.exec<UploadRow>(query, value).toArray()[0];
  }

  #value(query: string, ...values: (string | number)[]): number | undefined {
    return this.#sql.exec<{ value: number | null }>(query, ...values).toArray()[0]?.value ?? undefined;
  }
}

function counted(row: UploadRow): CountedUpload {
  return { state: row.state, bytes: row.bytes, seconds: row.seconds, created: row.created };
}
