import {
  type CountedUpload,
  type Totals,
  applyToTotals,
  sameTotals,
  emptyTotals,
  startNewWindows,
} from "../../core/quota/rules/usage-totals.ts";
import { KEEP_FINISHED_SECONDS, type NewUpload, type UploadRow, migrateLedger } from "./schema.ts";
import type { UploadChange } from "./row-mapping.ts";

/** Looked at by one alarm, so that none takes long. */
const PRUNE_ROWS = 500;

/**
 * New uploads that the totals on disk may not know of: their own rows are enough, and are counted when the object starts. One row
 * less is written per creation.
 */
const MAX_UNCOUNTED = 64;

/** What there is one of in a ledger. */
interface LedgerState {
  /** Of the tenant: decisions must not be older. */
  readonly version: number;
  readonly totals: Totals;
  /** Whether the tenant wants to be told of its uploads. */
  readonly hasEndpoints: boolean;
  /** Number of the last event that was handed to the queue. */
  readonly published: number;
}

interface LedgerRow extends Record<string, SqlStorageValue> {
  readonly version: number;
  readonly totals: string;
  readonly has_endpoints: number;
  readonly published: number;
  readonly counted: number;
}

interface CountedRow extends CountedUpload, Record<string, SqlStorageValue> {}

/** The rows of one ledger; whatever changes an upload changes the totals with it. Synchronous, as SQLite in an object is. */
export class LedgerStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #begun: () => () => void;
  /** In memory, so that it need not be read for each creation. */
  #ledger: LedgerState;
  /** Uploads that the totals on disk do not know of. */
  #uncounted = 0;
  /** The number of the last row that was looked at; an object that starts anew begins anew. */
  #prunedTo = 0;

  /** @param begun is told of each transaction, and what it gives back of those that fail */
  constructor(storage: DurableObjectStorage, begun: () => () => void = () => () => {}) {
    this.#storage = storage;
    this.#begun = begun;
    this.#sql = storage.sql;
    storage.transactionSync(() => migrateLedger(storage.sql));
    this.#ledger = this.#read();
  }

  /** Does all of it or, where it throws, nothing. */
  transaction<T>(work: () => T): T {
    const undo = this.#begun();
    try {
      return this.#storage.transactionSync(work);
    } catch (error) {
      undo();
      this.#ledger = this.#read();
      throw error;
    }
  }

  get version(): number {
    return this.#ledger.version;
  }

  get hasEndpoints(): boolean {
    return this.#ledger.hasEndpoints;
  }

  get published(): number {
    return this.#ledger.published;
  }

  /** A change that was overtaken by a later one says nothing any more. */
  learn(version: number, hasEndpoints: boolean): void {
    if (version >= this.version) this.#write({ version, hasEndpoints });
  }

  notePublished(published: number): void {
    this.#write({ published });
  }

  totals(now: number): Totals {
    return startNewWindows(this.#ledger.totals, now);
  }

  /** What a new upload does not say is as the columns' defaults are. */
  insert(upload: NewUpload, now: number): void {
    if (this.#uncounted >= MAX_UNCOUNTED) this.#write({});
    const columns = Object.keys(upload);
    this.#sql.exec(
      `INSERT INTO uploads (${columns.join(", ")}) VALUES (?${", ?".repeat(columns.length - 1)})`,
      ...Object.values(upload),
    );
    this.#uncounted++;
    this.#ledger = { ...this.#ledger, totals: applyToTotals(this.totals(now), undefined, upload) };
  }

  /** Makes a reservation an upload URL, without reading it first: every creation waits for that. False: it is none any more. */
  issue(id: string, uid: string, location: string): boolean {
    const query = "UPDATE uploads SET state = 'issued', uid = ?, location = ? WHERE id = ? AND state = 'reserved'";
    return this.#sql.exec(query, uid, location, id).rowsWritten > 0;
  }

  /** Writes what is not the same: each column that has an index is one more row written. */
  change(row: UploadRow, change: UploadChange, now: number): UploadRow {
    const changes = Object.entries(change).filter(([column, value]) => row[column] !== value);
    if (changes.length === 0) return row;
    const columns = changes.map(([column]) => `${column} = ?`).join(", ");
    const values = changes.map(([, value]) => value);
    this.#sql.exec(`UPDATE uploads SET ${columns} WHERE id = ?`, ...values, row.id);
    const changed: UploadRow = { ...row, ...change };
    if (!sameTotals(row, changed)) this.#count(row, changed, now);
    return changed;
  }

  /** Has something found out about uploads, however many; that counts for nothing. */
  makeDue(ids: readonly string[], due: number): void {
    this.#sql.exec("UPDATE uploads SET due = ? WHERE id IN (SELECT value FROM json_each(?))", due, JSON.stringify(ids));
  }

  delete(row: UploadRow, now: number): void {
    this.#sql.exec("DELETE FROM uploads WHERE id = ?", row.id);
    // Of its day and month it is taken away altogether, as if it had never been asked for.
    this.#count(row, undefined, now);
  }

  /**
   * Forgets finished uploads that count for nothing any more; a block of rows at a time, since most are kept. Never the
   * newest of all: its number must not come again.
   */
  prune(now: number): void {
    const before = now - KEEP_FINISHED_SECONDS;
    const block = this.#sql
      .exec<{ seq: number; created: number }>(
        "SELECT seq, created FROM uploads WHERE seq > ? ORDER BY seq LIMIT ?",
        this.#prunedTo,
        PRUNE_ROWS,
      )
      .toArray();
    const last = block.at(-1);
    if (last)
      this.#sql.exec(
        `DELETE FROM uploads
         WHERE seq > ? AND seq <= ? AND seq < (SELECT max(seq) FROM uploads) AND created < ?
           AND state IN ('failed', 'expired', 'cancelled', 'deleted') AND due IS NULL`,
        this.#prunedTo,
        last.seq,
        before,
      );
    this.#prunedTo = last && last.created < before ? last.seq : 0;
  }

  /** The totals as they would be if they were counted anew; for tests and repair. */
  recount(now: number): Totals {
    let totals = emptyTotals(now);
    for (const row of this.#sql.exec<UploadRow>("SELECT * FROM uploads"))
      totals = applyToTotals(totals, undefined, row);
    return totals;
  }

  #count(before: UploadRow | undefined, after: UploadRow | undefined, now: number): void {
    this.#write({ totals: applyToTotals(this.totals(now), before, after) });
  }

  #read(): LedgerState {
    const [row] = this.#sql.exec<LedgerRow>("SELECT * FROM ledger").toArray();
    let totals = row ? (JSON.parse(row.totals) as Totals) : emptyTotals(0);
    const uncounted = this.#sql
      .exec<CountedRow>(
        "SELECT state, bytes, seconds, created FROM uploads WHERE seq > ? ORDER BY seq",
        row?.counted ?? 0,
      )
      .toArray();
    for (const upload of uncounted) totals = applyToTotals(startNewWindows(totals, upload.created), undefined, upload);
    this.#uncounted = uncounted.length;
    return {
      version: row?.version ?? 0,
      totals,
      hasEndpoints: row?.has_endpoints === 1,
      published: row?.published ?? 0,
    };
  }

  #write(change: Partial<LedgerState>): void {
    const ledger = { ...this.#ledger, ...change };
    this.#sql.exec(
      `INSERT OR REPLACE INTO ledger (one, version, totals, has_endpoints, published, counted)
       VALUES (1, ?, ?, ?, ?, (SELECT coalesce(max(seq), 0) FROM uploads))`,
      ledger.version,
      JSON.stringify(ledger.totals),
      Number(ledger.hasEndpoints),
      ledger.published,
    );
    this.#uncounted = 0;
    this.#ledger = ledger;
  }
}
