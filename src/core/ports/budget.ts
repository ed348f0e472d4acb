import type { CallClass, Grant as CallGrant } from "../budget/rules/call-window.ts";
import type { Caller } from "../auth/rules/caller.ts";
import type { Grant } from "../auth/rules/grant.ts";
import type { Explanation } from "../policy/rules/policy-decision.ts";
import type { Result } from "../shared/result.ts";
import type { Reconciliation } from "../reconciliation/rules/sweep.ts";
import type { Issuer, Upstream } from "./registry.ts";
import type { StreamOutcome } from "./stream.ts";

/**
 * What the use cases need from outside, one need each. `dependencies.ts` says what stands behind them.
 */

/** How far the comparison of each upstream with the ledgers has come. */
export interface Reconciliations {
  read(upstream: string): Promise<Result<{ readonly revision: number; readonly standing: Reconciliation }>>;
  /** False: it has changed since that revision, and stays as it is. */
  write(upstream: string, revision: number, standing: Reconciliation): Promise<Result<boolean>>;
}

/** An upstream's API calls, shared among the tenants on it. */
export interface Budget {
  /** Counts a call that is about to be made; refused with the seconds after which it makes sense to try again. */
  acquire(upstream: Upstream, tenant: string, callClass: CallClass): Promise<CallGrant>;
  /** The call was not made after all. */
  refund(upstream: Upstream, tenant: string): Promise<void>;
  /** The upstream refuses all calls for so many seconds. */
  close(upstream: Upstream, seconds: number): Promise<void>;
}

/** Tenants that a moment ago had a creation refused by their ledger, or answered as before. */
export interface RecentRefusals {
  has(tenant: string): boolean;
  note(tenant: string): void;
}

/** Verifies and mints the tokens that are not looked up. */
export interface Tokens {
  /** Reads, without believing any of it, whose token this is; undefined for what is no JWT. */
  peek(token: string): TokenPreview | undefined;
  verifyJwt(token: string, issuer: Issuer): Promise<Result<Readonly<Record<string, unknown>>>>;
  verifyGrant(token: string): Promise<Result<Grant>>;
  signGrant(grant: Grant): Promise<string>;
}

export type TokenPreview =
  | { readonly kind: "grant" }
  | { readonly kind: "jwt"; readonly iss: string; readonly audiences: readonly string[] };

/** SHA-256 and comparison in constant time. */
export interface SecretHashes {
  matches(text: string, hash: Uint8Array): Promise<boolean>;
  /** In hexadecimal. */
  digest(text: string): Promise<string>;
}

/** Where a use case tells what it did, for the request's event. */
export interface Trace {
  note(columns: TraceColumns): void;
  /** Awaits a step and notes how long it took. */
  measure<T>(step: Step, work: Promise<T>): Promise<T>;
}

export type Step = "authenticate" | "admit" | "stream" | "attach";

export interface TraceColumns {
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
  readonly streamEvent?: "recorded" | "stranger";
}
