import type { Caller } from "../auth/rules/caller.ts";
import type { Explanation } from "../policy/rules/policy-decision.ts";
import type { StreamOutcome } from "../stream/rules/creation.ts";

/** How use cases add to the request log. */
export interface Trace {
  annotate(columns: TraceFields): void;
  /** Awaits a step and logs its duration. */
  measure<T>(step: Step, work: Promise<T>): Promise<T>;
}

export type Step = "authenticate" | "admit" | "stream" | "attach";

export interface TraceFields {
  /** Tenant of the verified credential; for a Stream notification, the tenant of the upload. */
  readonly tenant?: string;
  readonly callerKind?: Caller["kind"];
  readonly credential?: string;
  /** The keys that verified the token are so old, since the identity provider is down. */
  readonly staleKeysSeconds?: number;
  /** Bytes. */
  readonly uploadLength?: number;
  readonly maxDurationSeconds?: number;
  /** The policy's outcome for each key: `accepted`, `clamped`, … */
  readonly decision?: Readonly<Record<string, Explanation["outcome"]>>;
  readonly uploadId?: string;
  readonly uid?: string;
  readonly upstream?: string;
  readonly upstreamStatus?: number;
  readonly upstreamOutcome?: StreamOutcome["kind"];
  /** Whether a ledger has recorded the Stream notification. */
  readonly streamEvent?: "recorded" | "unmanaged";
  /** The notification nests too deep: its state counts, and what is too deep is not stored. */
  readonly tooDeep?: true;
}
