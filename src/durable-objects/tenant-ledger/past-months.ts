import { KEEP_MONTHS, NO_USAGE, isMonthKept } from "../../core/quota/rules/usage-month.ts";
import {
  type CountedUpload,
  type Totals,
  type Usage,
  applyToTotals,
  countedAt,
  emptyTotals,
} from "../../core/quota/rules/usage-totals.ts";
import { startOfMonth } from "../../core/shared/time.ts";

interface MonthRow extends Record<string, SqlStorageValue> {
  readonly totals: string;
}

/** What is known of past months without a row. */
interface LedgerAge {
  /** Its month is the last one with a change. */
  readonly totals: Totals;
  /** When the ledger began to keep months, in seconds since the epoch; 0 if it had no uploads then. */
  readonly rekeyed: number;
}

/**
 * The totals of a tenant's past months, one row each. A row is what the month's quota counted, corrected by what has become
 * of its uploads since: always the sum over all uploads that were reserved in the month, also of those whose rows are deleted.
 *
 * A month's row is written when the next month with a change begins, in the event that writes the totals of the new month; and
 * with each later change of one of its uploads, in the event that changes the upload. So a crash loses both or neither.
 */
export class PastMonths {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Stores a month that has ended, zeros for the months up to the current one, and deletes the oldest. */
  close({ start, ...ended }: Totals["month"], current: number): void {
    this.#write(start, ended);
    for (let month = startOfMonth(start, 1); month < current; month = startOfMonth(month, 1))
      this.#write(month, NO_USAGE);
    this.#sql.exec("DELETE FROM months WHERE start < ?", startOfMonth(current, -KEEP_MONTHS));
  }

  /** @returns undefined if the ledger did not keep totals of past months yet */
  find(start: number, { totals, rekeyed }: LedgerAge): Usage | undefined {
    const [row] = this.#sql.exec<MonthRow>("SELECT totals FROM months WHERE start = ?", start).toArray();
    if (row) return JSON.parse(row.totals) as Usage;
    return start > totals.month.start || start >= startOfMonth(rekeyed) ? NO_USAGE : undefined;
  }

  /** Counts the change of an upload in its month, if that has ended and is kept. */
  count(before: CountedUpload | undefined, after: CountedUpload | undefined, age: LedgerAge, now: number): void {
    const upload = before ?? after;
    if (!upload) return;
    const start = startOfMonth(countedAt(upload));
    if (start >= age.totals.month.start || !isMonthKept(start, now)) return;
    const stored = this.find(start, age);
    if (!stored) return;
    const totals = { ...emptyTotals(start), month: { start, ...stored } };
    // An edit may have moved it to the current month.
    const isOfMonth = after && startOfMonth(countedAt(after)) === start;
    const { start: _, ...changed } = applyToTotals(totals, before, isOfMonth ? after : undefined).month;
    this.#write(start, changed);
  }

  #write(start: number, totals: Usage): void {
    this.#sql.exec("INSERT OR REPLACE INTO months (start, totals) VALUES (?, ?)", start, JSON.stringify(totals));
  }
}
