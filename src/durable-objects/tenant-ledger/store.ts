import {
  type CountedUpload,
  type Totals,
  type Usage,
  applyToTotals,
  countedAt,
  sameTotals,
  emptyTotals,
  startNewWindows,
} from "../../core/quota/rules/usage-totals.ts";
import { LAST_LOOK_RETRY_SECONDS } from "../../core/uploads/rules/due-upload.ts";
import type { TimeRange } from "../../core/uploads/rules/time-ranges.ts";
import { lowerBoundAt } from "../../core/uploads/rules/upload-id.ts";
import { KEEP_FINISHED_SECONDS } from "../../core/uploads/rules/upload-record.ts";
import { PastMonths } from "./past-months.ts";
import { CLOCK_SKEW_SECONDS, LOST, isLastLook } from "./queries.ts";
import { type NewUpload, type UploadRow, migrateLedger } from "./schema.ts";
import type { UploadChange } from "./row-mapping.ts";

/** Rows scanned per `prune`, so that each alarm stays short. */
const PRUNE_ROWS = 500;

/**
 * Up to this many new uploads may be missing from the stored totals: a starting object counts them from their rows. Saves
 * one row write per creation.
 */
const MAX_UNCOUNTED = 64;

/** The single row of `ledger`. */
interface LedgerState {
  /** Of the tenant. Decisions made with an older version are stale. */
  readonly version: number;
  readonly totals: Totals;
  /** Whether the tenant has endpoints, so that events are stored. */
  readonly hasEndpoints: boolean;
  /** Sequence number of the last event that was sent to the queue. */
  readonly published: number;
  /** Of new uploads. The totals on disk include the uploads of earlier batches. */
  readonly batch: number;
  /** The lowest id of an upload of this batch. */
  readonly uncountedFrom: string;
  /** When idempotency keys got another form, in seconds since the epoch; 0 if there were none. */
  readonly rekeyed: number;
  /** Uploads created before this time may have an unsigned tag; 0 if there are none. */
  readonly signedFrom: number;
}

interface LedgerRow extends Record<string, SqlStorageValue> {
  readonly version: number;
  readonly totals: string;
  readonly has_endpoints: number;
  readonly published: number;
  readonly batch: number;
  readonly uncounted_from: string;
  readonly rekeyed: number;
  readonly signed_from: number;
}

interface CountedRow extends CountedUpload, Record<string, SqlStorageValue> {
  readonly day: number | null;
  readonly lost: number;
}

/** Writes the rows of one ledger, and the totals with each change of an upload. Synchronous, like SQLite in an object. */
export class LedgerStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #months: PastMonths;
  readonly #onTransactionStart: () => () => void;
  /** In memory, so that a creation does not read it. */
  #ledger: LedgerState;
  /** Number of uploads that the totals on disk lack. */
  #uncounted = 0;
  /** Id of the last row that `prune` scanned; starts over with each start of the object. */
  #prunedTo = "";

  /**
   * @param now seconds since the epoch
   * @param onTransactionStart called before each transaction; returns a function that is called if it fails
   */
  constructor(storage: DurableObjectStorage, now: number, onTransactionStart: () => () => void = () => () => {}) {
    this.#storage = storage;
    this.#onTransactionStart = onTransactionStart;
    this.#sql = storage.sql;
    this.#months = new PastMonths(storage.sql);
    storage.transactionSync(() => migrateLedger(storage.sql, now));
    this.#ledger = this.#read();
  }

  /** Commits all of `work`, or nothing if it throws. */
  transaction<T>(work: () => T): T {
    const undo = this.#onTransactionStart();
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

  get rekeyed(): number {
    return this.#ledger.rekeyed;
  }

  get signedFrom(): number {
    return this.#ledger.signedFrom;
  }

  /** Ignores versions older than the stored one. */
  syncTenantVersion(version: number, hasEndpoints: boolean, now: number): void {
    if (version >= this.version) this.#write({ version, hasEndpoints }, now);
  }

  markPublished(published: number, now: number): void {
    this.#write({ published }, now);
  }

  totals(now: number): Totals {
    return startNewWindows(this.#ledger.totals, now);
  }

  /**
   * What the uploads reserved in a month use of its quota. @param start of the month
   * @returns undefined if the ledger did not keep totals of past months yet
   */
  month(start: number): Usage | undefined {
    const { month } = this.#ledger.totals;
    if (start !== month.start) return this.#months.find(start, this.#ledger);
    const { uploads, bytes, seconds } = month;
    return { uploads, bytes, seconds };
  }

  /** Columns that are absent from `upload` get their defaults. */
  insert(upload: NewUpload, now: number): void {
    this.#startNewMonth(now);
    if (this.#uncounted >= MAX_UNCOUNTED) this.#write({}, now);
    const { start } = this.totals(now).day;
    // If the clock has gone back, to before the day that has begun, it counts for that day.
    const day = now < start && upload.created === now && { day: start };
    const row = { ...upload, ...day, batch: this.#ledger.batch };
    const columns = Object.keys(row);
    this.#sql.exec(
      `INSERT INTO uploads (${columns.join(", ")}) VALUES (?${", ?".repeat(columns.length - 1)})`,
      ...Object.values(row),
    );
    this.#uncounted++;
    this.#ledger = { ...this.#ledger, totals: applyToTotals(this.totals(now), undefined, row) };
    this.#months.count(undefined, row, this.#ledger, now);
    if (upload.id < this.#ledger.uncountedFrom) this.#write({}, now);
  }

  /** Turns a reservation into an upload URL without reading it first: creations wait for this. @returns false if not reserved */
  issue(id: string, uid: string, location: string): boolean {
    const query = "UPDATE uploads SET state = 'issued', uid = ?, location = ? WHERE id = ? AND state = 'reserved'";
    return this.#sql.exec(query, uid, location, id).rowsWritten > 0;
  }

  /** Writes changed columns only: each indexed column costs one more row write. */
  update(row: UploadRow, change: UploadChange, now: number): UploadRow {
    const changes = Object.entries(change).filter(([column, value]) => row[column] !== value);
    if (changes.length === 0) return row;
    const columns = changes.map(([column]) => `${column} = ?`).join(", ");
    const values = changes.map(([, value]) => value);
    this.#sql.exec(`UPDATE uploads SET ${columns} WHERE id = ?`, ...values, row.id);
    const updated: UploadRow = { ...row, ...change };
    if (!sameTotals(row, updated)) this.#count(row, updated, now);
    return updated;
  }

  /** Makes any number of uploads due. Does not affect the totals. */
  makeDue(ids: readonly string[], due: number): void {
    this.#sql.exec("UPDATE uploads SET due = ? WHERE id IN (SELECT value FROM json_each(?))", due, JSON.stringify(ids));
  }

  /** Postpones the last look for lost creations that are due: a search has been asked for. */
  postponeLastLook(now: number): void {
    this.#sql.exec(
      `UPDATE uploads SET due = ? WHERE ${LOST} AND state <> 'unknown' AND due <= ?`,
      now + LAST_LOOK_RETRY_SECONDS,
      now,
    );
  }

  /** The last look has not found the videos of the creations of a time span. */
  endLastLook(upstream: string, { from, to }: TimeRange, now: number): void {
    this.#sql.exec(
      `UPDATE uploads SET due = NULL WHERE ${LOST} AND state <> 'unknown' AND upstream = ? AND created BETWEEN ? AND ? AND ${isLastLook(now)}`,
      upstream,
      from,
      to,
    );
  }

  delete(row: UploadRow, now: number): void {
    this.#sql.exec("DELETE FROM uploads WHERE id = ?", row.id);
    // It no longer counts for its day and month, either.
    this.#count(row, undefined, now);
  }

  /** Deletes finished uploads after their retention, one block of rows per call. */
  prune(now: number): void {
    const before = now - KEEP_FINISHED_SECONDS;
    const block = this.#sql
      .exec<{ id: string; created: number }>(
        "SELECT id, created FROM uploads WHERE id > ? ORDER BY id LIMIT ?",
        this.#prunedTo,
        PRUNE_ROWS,
      )
      .toArray();
    const last = block.at(-1);
    if (last)
      this.#sql.exec(
        `DELETE FROM uploads
         WHERE id > ? AND id <= ? AND created < ?
           AND state IN ('failed', 'expired', 'cancelled', 'deleted') AND due IS NULL`,
        this.#prunedTo,
        last.id,
        before,
      );
    this.#prunedTo = last && last.created < before ? last.id : "";
  }

  #count(before: UploadRow | undefined, after: UploadRow | undefined, now: number): void {
    this.#startNewMonth(now);
    this.#write({ totals: applyToTotals(this.totals(now), before, after) }, now);
    this.#months.count(before, after, this.#ledger, now);
  }

  /** Before the first change in a new month, so that the totals on disk and the uploads that they lack are of one month. */
  #startNewMonth(now: number): void {
    const [{ month }, totals] = [this.#ledger.totals, this.totals(now)];
    if (month.start === 0 || month.start === totals.month.start) return;
    this.#months.close(month, totals.month.start);
    this.#write({ totals }, now);
  }

  /** The stored totals, and the uploads that they lack. Their order does not matter. */
  #read(): LedgerState {
    const [row] = this.#sql.exec<LedgerRow>("SELECT * FROM ledger").toArray();
    const { batch = 1, uncounted_from: uncountedFrom = "" } = row ?? {};
    let totals = row ? (JSON.parse(row.totals) as Totals) : emptyTotals(0);
    const uncounted = this.#sql
      .exec<CountedRow>(
        "SELECT state, bytes, seconds, created, day, lost FROM uploads WHERE id >= ? AND batch = ?",
        uncountedFrom,
        batch,
      )
      .toArray();
    for (const upload of uncounted)
      totals = applyToTotals(startNewWindows(totals, countedAt(upload)), undefined, upload);
    this.#uncounted = uncounted.length;
    return {
      version: row?.version ?? 0,
      totals,
      hasEndpoints: row?.has_endpoints === 1,
      published: row?.published ?? 0,
      batch,
      uncountedFrom,
      rekeyed: row?.rekeyed ?? 0,
      signedFrom: row?.signed_from ?? 0,
    };
  }

  #write(change: Partial<LedgerState>, now: number): void {
    const ledger = {
      ...this.#ledger,
      ...change,
      batch: this.#ledger.batch + 1,
      // An upload with an older id is counted at once.
      uncountedFrom: lowerBoundAt(now - CLOCK_SKEW_SECONDS),
    };
    this.#sql.exec(
      `INSERT OR REPLACE INTO ledger (one, version, totals, has_endpoints, published, batch, uncounted_from, rekeyed, signed_from)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ledger.version,
      JSON.stringify(ledger.totals),
      Number(ledger.hasEndpoints),
      ledger.published,
      ledger.batch,
      ledger.uncountedFrom,
      ledger.rekeyed,
      ledger.signedFrom,
    );
    this.#uncounted = 0;
    this.#ledger = ledger;
  }
}
