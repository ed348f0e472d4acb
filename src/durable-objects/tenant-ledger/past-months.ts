import {
  type CountedUpload,
  type Totals,
  type Usage,
  applyToTotals,
  emptyTotals,
} from "../../core/quota/rules/usage-totals.ts";
import { startOfMonth } from "../../core/shared/time.ts";
import { KEEP_MONTHS, NO_USAGE } from "../../core/quota/rules/usage-month.ts";

interface MonthRow extends Record<string, SqlStorageValue> {
  readonly totals: string;
}

/**
 * The totals of a tenant's past months, one row each. A row is what the month's quota counted, corrected by what has become
 * of its uploads since: always the sum over all uploads that were reserved in the month, also of those whose rows are deleted.
 *
 * A month's row is written when its first successor begins, in the event that writes the totals of the new month; and with each
 * later change of one of its uploads, in the event that changes the upload. So a crash loses both or neither.
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

  /** @returns undefined if no row is stored */
  find(start: number): Usage | undefined {
    const [row] = this.#sql.exec<MonthRow>("SELECT totals FROM months WHERE start = ?", start).toArray();
    return row && (JSON.parse(row.totals) as Usage);
  }

  /** Counts the change of an upload of a past month. @param before what is stored of its month */
  apply(stored: Usage, before: CountedUpload | undefined, after: CountedUpload | undefined): void {
    const start = startOfMonth((before ?? after)?.created ?? 0);
    const { start: _, ...changed } = applyToTotals(
      { ...emptyTotals(start), month: { start, ...stored } },
      before,
      after,
    ).month;
    this.#write(start, changed);
  }

  #write(start: number, totals: Usage): void {
    this.#sql.exec("INSERT OR REPLACE INTO months (start, totals) VALUES (?, ?)", start, JSON.stringify(totals));
  }
}
