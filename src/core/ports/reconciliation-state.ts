import type { Reconciliation } from "../reconciliation/rules/sweep.ts";
import type { Result } from "../shared/result.ts";

/** The reconciliation state of each upstream, with a revision for optimistic concurrency. */
export interface ReconciliationStates {
  /** @returns revision 0 and an empty state before the first write */
  read(upstream: string): Promise<Result<{ readonly revision: number; readonly state: Reconciliation }>>;
  /** @returns `false`, and changes nothing, if the stored revision is another one */
  write(upstream: string, revision: number, state: Reconciliation): Promise<Result<boolean>>;
}
