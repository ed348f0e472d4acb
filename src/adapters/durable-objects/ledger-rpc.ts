import type { Comparison } from "../../core/reconciliation/rules/comparison.ts";
import type { UploadRecord } from "../../core/uploads/rules/upload-record.ts";
import type { Attempt } from "../../core/webhooks/rules/delivery.ts";

/**
 * What crosses the calls of a ledger object. A Worker and an object of neighbouring versions talk to each other during a
 * deployment, so these shapes keep their names, whatever the core calls them.
 */

/** As it leaves the object: its calls carry Stream's own object as text. */
export type StoredUpload = Omit<UploadRecord, "video"> & { readonly video?: string };

/** `adopted` is the core's `imported`. */
export type StoredComparison = Omit<Comparison, "imported"> & { readonly adopted: number };

/** `given up` is the core's `exhausted` and `skipped`; the reason tells which. */
export type StoredAttempt = Omit<Attempt, "outcome"> & { readonly outcome: "delivered" | "failed" | "given up" };

/** The reason of attempts that were used up, as it is stored. */
const EXHAUSTED_REASON = "it was tried often enough";

export function comparisonOf({ adopted, ...rest }: StoredComparison): Comparison {
  return { ...rest, imported: adopted };
}

export function storedAttempt({ outcome, ...rest }: Attempt): StoredAttempt {
  switch (outcome) {
    case "exhausted":
      return { ...rest, outcome: "given up", reason: EXHAUSTED_REASON };
    case "skipped":
      return { ...rest, outcome: "given up" };
    case "delivered":
    case "failed":
      return { ...rest, outcome };
    default:
      return outcome satisfies never;
  }
}

export function attemptOf({ outcome, ...rest }: StoredAttempt): Attempt {
  if (outcome !== "given up") return { ...rest, outcome };
  return { ...rest, outcome: rest.reason === EXHAUSTED_REASON ? "exhausted" : "skipped" };
}
