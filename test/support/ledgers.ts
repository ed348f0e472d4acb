import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CountedUpload } from "../../src/core/quota/rules/usage-totals.ts";

/** An upload as a ledger stores it, as far as totals count it. */
export interface LedgerRow extends CountedUpload {
  readonly id: string;
}

/** The rows of each ledger in the folder of a gateway that is stopped. */
export function readLedgers(statePath: string): LedgerRow[][] {
  const ledgers = onTables(statePath, "uploads", "SELECT * FROM uploads");
  return ledgers.filter((rows) => rows.length > 0) as unknown as LedgerRow[][];
}

/** Makes upload URLs, events and endpoints older in the folder of a gateway that is stopped. */
export function ageState(statePath: string, seconds: number): void {
  onTables(statePath, "uploads", "UPDATE uploads SET expires = expires - ?", seconds);
  onTables(statePath, "events", "UPDATE events SET created = created - ?", seconds);
  onTables(statePath, "endpoints", "UPDATE endpoints SET created_at = created_at - ?", seconds * 1000);
}

/** @returns no rows for a database without the table */
function onTables(statePath: string, table: string, query: string, ...values: number[]): object[][] {
  return globSync("v3/{do,d1}/**/*.sqlite", { cwd: statePath }).map((file) => {
    const database = new DatabaseSync(join(statePath, file));
    const exists = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table) !== undefined;
    const rows = exists ? database.prepare(query).all(...values) : [];
    database.close();
    return rows;
  });
}
