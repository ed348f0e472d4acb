import type { StreamOutcome } from "../stream/rules/creation.ts";
import type { Explanation } from "../policy/rules/policy-decision.ts";
import type { Caller } from "../auth/rules/caller.ts";

/** Where a use case tells what it did, for the request's event. */
export interface Trace {
  annotate(columns: TraceFields): void;
  /** Awaits a step and notes how long it took. */
  measure<T>(step: Step, work: Promise<T>): Promise<T>;
}
export type Step = "authenticate" | "admit" | "stream" | "attach";
export interface TraceFields {
  /** Of the credential, once it has been verified; of an event of Stream's, whose upload it is of. */
  readonly tenant?: string;
  readonly callerKind?: Caller["kind"];
  readonly credential?: string;
  /** Bytes. */
  readonly uploadLength?: number;
  readonly maxDurationSeconds?: number;
  /** How the policy decided, by key: `accepted`, `clamped`, … */
  readonly decision?: Readonly<Record<string, Explanation["outcome"]>>;
  readonly uploadId?: string;
  readonly uid?: string;
  readonly upstream?: string;
  readonly upstreamStatus?: number;
  readonly upstreamOutcome?: StreamOutcome["kind"];
  /** What became of an event of Stream's. */
  readonly streamEvent?: "recorded" | "unmanaged";
}
