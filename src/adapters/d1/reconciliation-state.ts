import { type Result, ok, err } from "../../core/shared/result.ts";
import type { Reconciliation, Sweep, SweepCounts } from "../../core/reconciliation/rules/sweep.ts";
import type { ReconciliationStates } from "../../core/ports/reconciliation-state.ts";
import { registryUnavailable } from "./database.ts";

interface Row {
  readonly revision: number;
  readonly running: string | null;
  readonly finished: string | null;
  readonly failure: string | null;
}

/** How the reconciliations stand, in D1; its rows are only written here. */
export function createReconciliationStates(db: D1Database): ReconciliationStates {
  return {
    read: (upstream) =>
      orProblem(async () => {
        const query = db.prepare("SELECT * FROM reconciliations WHERE upstream = ?").bind(upstream);
        const row = await query.first<Row>();
        return row ? { revision: row.revision, state: stateOf(row) } : { revision: 0, state: {} };
      }),

    write: (upstream, revision, { running, finished, failure }) =>
      orProblem(async () => {
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
      }),
  };
}

function stateOf({ running, finished, failure }: Row): Reconciliation {
  return {
    ...(running !== null && { running: countsOf(running) as Sweep }),
    ...(finished !== null && { finished: countsOf(finished) as FinishedSweep }),
    ...(failure !== null && { failure: JSON.parse(failure) as NonNullable<Reconciliation["failure"]> }),
  };
}

type StoredCounts = Omit<SweepCounts, "imported" | "unmanaged"> & {
  readonly adopted: number;
  readonly strangers: number;
};
type FinishedSweep = NonNullable<Reconciliation["finished"]>;

/** Stored counts keep the names of the version before: `adopted` is `imported`, `strangers` is `unmanaged`. */
function storedCounts({ imported, unmanaged, ...rest }: SweepCounts): string {
  return JSON.stringify({ ...rest, adopted: imported, strangers: unmanaged });
}

function countsOf(json: string): SweepCounts {
  const { adopted, strangers, ...rest } = JSON.parse(json) as StoredCounts;
  return { ...rest, imported: adopted, unmanaged: strangers };
}

async function orProblem<T>(work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (error) {
    return err(registryUnavailable(error));
  }
}
