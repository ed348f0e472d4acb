import type { Reconciliation } from "../reconciliation/rules/sweep.ts";
import type { Result } from "../shared/result.ts";

/**
 * What the use cases need from outside, one need each. `dependencies.ts` says what stands behind them.
 */
/** How far the comparison of each upstream with the ledgers has come. */
export interface ReconciliationStates {
  read(upstream: string): Promise<Result<{ readonly revision: number; readonly standing: Reconciliation }>>;
  /** False: it has changed since that revision, and stays as it is. */
  write(upstream: string, revision: number, standing: Reconciliation): Promise<Result<boolean>>;
}
