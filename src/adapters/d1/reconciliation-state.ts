import type { ReconciliationStates } from "../../core/ports/reconciliation-state.ts";
import type { Reconciliation, Sweep, SweepCounts } from "../../core/reconciliation/rules/sweep.ts";
import { registryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { attempt } from "../attempt.ts";

interface Row {
  readonly revision: number;
  readonly running: string | null;
  readonly finished: string | null;
  readonly failure: string | null;
}

/** The state of each upstream's reconciliation, in D1. */
export function createReconciliationStates(db: D1Database): ReconciliationStates {
  return {
    read: (upstream) =>
      attempt(async () => {
        const query = db.prepare("SELECT * FROM reconciliations WHERE upstream = ?").bind(upstream);
        const row = await query.first<Row>();
        return row ? { revision: row.revision, state: stateOf(row) } : { revision: 0, state: {} };
      }, registryUnavailable),

    write: (upstream, revision, { running, finished, failure }) =>
      attempt(async () => {
        const { meta } = await db
          .prepare(
            `INSERT INTO reconciliations (upstream, revision, running, finished, failure) VALUES (?1, ?2 + 1, ?3, ?4, ?5)
             ON CONFLICT (upstream) DO UPDATE SET revision = ?2 + 1, running = ?3, finished = ?4, failure = ?5
               WHERE revision = ?2`,
          )
          .bind(
            upstream,
            revision,
            running ? storedCounts(running) : null,
            finished ? storedCounts(finished) : null,
            failure ? JSON.stringify(failure) : null,
          )
          .run();
        return meta.changes > 0;
      }, registryUnavailable),
  };
}

function stateOf({ running, finished, failure }: Row): Reconciliation {
  return {
    ...(running !== null && { running: countsOf(running) as Sweep }),
    ...(finished !== null && { finished: countsOf(finished) as FinishedSweep }),
    ...(failure !== null && { failure: JSON.parse(failure) as NonNullable<Reconciliation["failure"]> }),
  };
}

type FinishedSweep = NonNullable<Reconciliation["finished"]>;

/** Stored counts keep the names of earlier versions: `adopted` is `imported`, `strangers` is `unmanaged`. */
type StoredCounts = Omit<SweepCounts, "imported" | "unmanaged"> & {
  readonly adopted: number;
  readonly strangers: number;
};

function storedCounts({ imported, unmanaged, ...rest }: SweepCounts): string {
  return JSON.stringify({ ...rest, adopted: imported, strangers: unmanaged } satisfies StoredCounts);
}

function countsOf(json: string): SweepCounts {
  const { adopted, strangers, ...rest } = JSON.parse(json) as StoredCounts;
  return { ...rest, imported: adopted, unmanaged: strangers };
}
