import { type Result, ok, err } from "../../core/shared/result.ts";
import type { Reconciliation } from "../../core/reconciliation/rules/sweep.ts";
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
        return row ? { revision: row.revision, standing: standingOf(row) } : { revision: 0, standing: {} };
      }),

    write: (upstream, revision, { running, finished, failure }) =>
      orProblem(async () => {
        const { meta } = await db
          .prepare(
            `INSERT INTO reconciliations (upstream, revision, running, finished, failure) VALUES (?1, ?2 + 1, ?3, ?4, ?5)
             ON CONFLICT (upstream) DO UPDATE SET revision = ?2 + 1, running = ?3, finished = ?4, failure = ?5
               WHERE revision = ?2`,
          )
          .bind(upstream, revision, ...[running, finished, failure].map((part) => (part ? JSON.stringify(part) : null)))
          .run();
        return meta.changes > 0;
      }),
  };
}

function standingOf(row: Row): Reconciliation {
  const part = <K extends "running" | "finished" | "failure">(name: K) => {
    const json = row[name];
    return json === null ? {} : { [name]: JSON.parse(json) as Reconciliation[K] };
  };
  return { ...part("running"), ...part("finished"), ...part("failure") };
}

async function orProblem<T>(work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (error) {
    return err(registryUnavailable(error));
  }
}
