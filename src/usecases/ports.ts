import type { Caller, Scope } from "../domain/caller.ts";
import type { Grant } from "../domain/grant.ts";
import type { Decision, Explanation } from "../domain/policy/decision.ts";
import type { Problem } from "../domain/problem.ts";
import type { Result } from "../domain/result.ts";
import type { Tenant } from "../domain/tenant.ts";

/**
 * What the use cases need from outside, one need each. `dependencies.ts` says what stands behind them.
 */

/** Reads of what the operator configured. May be as old as the cache's bound, never older. */
export interface Registry {
  tenant(id: string): Promise<Result<Tenant | undefined>>;
  apiKey(id: string): Promise<Result<ApiKeyRecord | undefined>>;
  /** All issuers whose tokens carry this `iss`. */
  issuers(iss: string): Promise<Result<readonly Issuer[]>>;
  upstream(id: string): Promise<Result<Upstream | undefined>>;
}

export interface ApiKeyRecord {
  readonly id: string;
  readonly tenant: string;
  /** SHA-256 of the key's text. */
  readonly hash: Uint8Array;
  readonly scopes: ReadonlySet<Scope>;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly revoked: boolean;
}

export const ASYMMETRIC_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256"] as const;

/** An identity provider whose JWTs are accepted. */
export interface Issuer {
  readonly id: string;
  /** The `iss` claim, compared exactly. */
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Where its verification keys come from. */
  readonly keys:
    | { readonly kind: "jwks-url"; readonly url: string }
    | { readonly kind: "jwks"; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
    | { readonly kind: "secret"; readonly secret: Uint8Array };
  /** Its tokens speak for this tenant only, or for the one they name in a claim. */
  readonly tenant: { readonly kind: "fixed"; readonly id: string } | { readonly kind: "claim"; readonly claim: string };
  readonly subjectClaim: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** A Stream account with its credential. */
export interface Upstream {
  readonly id: string;
  readonly accountId: string;
  /** Without a trailing slash, e.g. https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** Hosts (`host` or `host:port`) that `Location` may point to. */
  readonly uploadHosts: readonly string[];
  readonly credential:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "key"; readonly email: string; readonly key: string };
}

/** Admits or refuses a creation by what the tenant and the upstream can still take. */
export interface Admission {
  admit(claim: AdmissionClaim): Promise<Result<void>>;
  /** The creation succeeded: the claim is an upload now. */
  attach(uploadId: string, uid: string): Promise<void>;
  /** The creation certainly failed: nothing is held any longer. Not called where the outcome is unknown. */
  release(uploadId: string): Promise<void>;
}

export interface AdmissionClaim {
  readonly uploadId: string;
  readonly tenant: Tenant;
  readonly caller: Caller;
  readonly decision: Decision;
}

/** Creates the upload at Stream. */
export interface StreamApi {
  create(upstream: Upstream, creation: UpstreamCreation): Promise<StreamOutcome>;
}

export interface UpstreamCreation {
  /** Bytes. */
  readonly length: number;
  /** The whole `Upload-Metadata` header. */
  readonly metadata: string;
  readonly creator?: string;
}

/** `status` is Stream's, where it answered. */
export type StreamOutcome =
  | { readonly kind: "created"; readonly status: number; readonly uid: string; readonly location: string }
  /** There is certainly no video. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: Problem }
  /** There may be a video, though nobody has its URL. */
  | { readonly kind: "unknown"; readonly status?: number; readonly problem: Problem };

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
}

/** Where a use case tells what it did, for the request's event. */
export interface Trace {
  note(columns: TraceColumns): void;
  /** Awaits a step and notes how long it took. */
  measure<T>(step: Step, work: Promise<T>): Promise<T>;
}

export type Step = "authenticate" | "admit" | "stream" | "attach";

export interface TraceColumns {
  /** Of the credential, once it has been verified. */
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
}
