import { ownerOf } from "../../core/auth/rules/person-key.ts";
import type { Comparison } from "../../core/reconciliation/rules/comparison.ts";
import type { VideoJson } from "../../core/stream/rules/video-document.ts";
import type { Correlation } from "../../core/uploads/rules/correlation.ts";
import type { UploadRecord } from "../../core/uploads/rules/upload-record.ts";
import type { UploadState, VideoSource } from "../../core/uploads/rules/upload-state.ts";
import type { DeliveryAttempt } from "../../core/webhooks/rules/delivery.ts";

/**
 * The types that cross the RPC calls of a ledger, mapped from and to those of the core. Workers and objects of neighbouring
 * versions call each other during a deployment, so these field names stay. `test/workerd/golden` holds them.
 */

export interface StoredUpload extends Correlation {
  readonly id: string;
  readonly state: UploadState;
  readonly uid?: string;
  /** The key of a person of the namespace `tenant`: its subject. */
  readonly creator?: string;
  /** The key of any other person, which a Worker of the version before must not take for a subject. */
  readonly person?: string;
  /** What Stream is told where that is not the subject; "": nothing. */
  readonly label?: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly created: number;
  readonly expires: number;
  /** Absent: an upload. Workers of older versions ignore it. */
  readonly source?: VideoSource;
  readonly clippedFrom?: string;
  readonly upstream: string;
  readonly failure?: string;
  /** `rounds` in the core. */
  readonly returns: number;
  /** `deletionRequested` in the core. */
  readonly unwanted: boolean;
  /** `deletionPending` in the core. Objects of older versions do not send it. */
  readonly deleting?: boolean;
  /** JSON. */
  readonly video?: string;
}

export interface StoredComparison {
  readonly settled: number;
  /** `imported` in the core. */
  readonly adopted: number;
  readonly missing: number;
  readonly unmanaged?: readonly string[];
  readonly to?: number;
}

export interface StoredAttempt {
  readonly endpoint: string;
  readonly at: number;
  /** `given up` is `exhausted` or `skipped` in the core, depending on the reason. */
  readonly outcome: "delivered" | "failed" | "given up";
  readonly status?: number;
  readonly reason?: string;
  readonly milliseconds?: number;
}

/** The stored reason of exhausted attempts. It tells them from skipped ones, so it is never reworded. */
const EXHAUSTED_REASON = "it was tried often enough";

export function uploadRecordOf(stored: StoredUpload, tenant: string): UploadRecord {
  const { returns, unwanted, deleting = false, video, creator, person = creator, label, ...upload } = stored;
  return {
    ...upload,
    ...ownerOf({ creator: person, label }, tenant),
    rounds: returns,
    deletionRequested: unwanted,
    deletionPending: deleting,
    ...(video !== undefined && { video: JSON.parse(video) as VideoJson }),
  };
}

export function comparisonOf({ adopted, ...rest }: StoredComparison): Comparison {
  return { ...rest, imported: adopted };
}

export function attemptOf({ outcome, ...rest }: StoredAttempt): DeliveryAttempt {
  if (outcome !== "given up") return { ...rest, outcome };
  return { ...rest, outcome: rest.reason === EXHAUSTED_REASON ? "exhausted" : "skipped" };
}

export function storedAttempt({ outcome, ...rest }: DeliveryAttempt): StoredAttempt {
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
