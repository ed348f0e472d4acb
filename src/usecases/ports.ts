import type { Caller, Scope } from "../domain/caller.ts";
import type { CallClass, Grant as CallGrant } from "../domain/budget.ts";
import type { DirectUpload } from "../domain/direct-upload.ts";
import type { Grant } from "../domain/grant.ts";
import type { Totals } from "../domain/ledger.ts";
import type { Explanation } from "../domain/policy/decision.ts";
import type { Problem } from "../domain/problem.ts";
import type { ReservationOutcome, ReservationRequest } from "../domain/reservation.ts";
import type { Result } from "../domain/result.ts";
import type { Reconciliation } from "../domain/sweep.ts";
import type { Tenant } from "../domain/tenant.ts";
import type { ExistingVideo, Upload, UploadState, VideoReport } from "../domain/upload.ts";
import type { UploadEventBody, UploadEventType } from "../domain/upload-event.ts";

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
  /** Where a tenant wants its events, disabled endpoints included. */
  endpoints(tenant: string): Promise<Result<readonly Endpoint[]>>;
}

/** Who is there, as of now: for work that goes from one to the next. */
export interface Directory {
  /** Ids of the tenants on an upstream, in order. */
  tenantsOn(
    upstream: string,
    at: { readonly after: string; readonly limit: number },
  ): Promise<Result<readonly string[]>>;
  /** Those of these ids that a tenant has. */
  existing(tenants: readonly string[]): Promise<Result<ReadonlySet<string>>>;
  /** Ids of all upstreams, or of those of one account. */
  upstreams(accountId?: string): Promise<Result<readonly string[]>>;
}

/** How far the comparison of each upstream with the ledgers has come. */
export interface Reconciliations {
  read(upstream: string): Promise<Result<{ readonly revision: number; readonly standing: Reconciliation }>>;
  /** False: it has changed since that revision, and stays as it is. */
  write(upstream: string, revision: number, standing: Reconciliation): Promise<Result<boolean>>;
}

/** A tenant's webhook. */
export interface Endpoint {
  readonly id: string;
  readonly tenant: string;
  readonly url: string;
  /** Undefined: all. */
  readonly events?: ReadonlySet<UploadEventType>;
  /** As the Standard Webhooks specification writes them, `whsec_…`: the newest first, and those that are being replaced. */
  readonly secrets: readonly string[];
  readonly disabled: boolean;
  /** Milliseconds since the epoch, of the first failure since the last success. */
  readonly failingSince?: number;
}

/** The registry, with the cache that requests are decided by, and past it. */
export interface CachedRegistry extends Registry {
  /** What is there now. */
  readonly latest: Registry;
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
  /** The tenant's, when the key was read. */
  readonly version: number;
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
  /** The tenant's, when the issuer was read; an issuer of many tenants has none of its own. */
  readonly version?: number;
}

/** A Stream account with its credential. */
export interface Upstream {
  readonly id: string;
  readonly accountId: string;
  /** Without a trailing slash, e.g. https://api.cloudflare.com/client/v4 */
  readonly apiBase: string;
  /** Hosts (`host` or `host:port`) that `Location` may point to. */
  readonly uploadHosts: readonly string[];
  /** API calls that may be made in any 5 minutes. */
  readonly callsPerWindow: number;
  readonly credential:
    | { readonly kind: "token"; readonly token: string }
    | { readonly kind: "key"; readonly email: string; readonly key: string };
  /** Secrets of the account's webhook, all of them valid; none: its events are refused. */
  readonly webhookSecrets: readonly string[];
}

/** A tenant's ledger: what it has reserved, and what that counts for. The authority on how old a tenant may be. */
export interface Ledgers {
  /**
   * Nothing that was decided by an older version of the tenant is accepted from now on; and its events are kept from now on
   * exactly if it has endpoints.
   */
  learn(tenant: string, version: number, hasEndpoints: boolean): Promise<void>;
  reserve(tenant: string, request: ReservationRequest): Promise<ReservationOutcome>;
  /** Refused: the upload URL must not be handed out. */
  attach(tenant: string, id: string, uid: string, location: string): Promise<Result<void>>;
  /** The creation certainly failed: nothing is held any longer. */
  release(tenant: string, id: string): Promise<void>;
  /** Nobody knows whether the creation failed: the reservation stays until Stream can be asked. */
  leaveUnknown(tenant: string, id: string): Promise<void>;
  usage(tenant: string): Promise<Result<Totals>>;

  /** An upload by its id, or by Stream's identifier of its video. */
  find(tenant: string, idOrUid: string): Promise<Result<KeptUpload | undefined>>;
  list(tenant: string, query: UploadQuery): Promise<Result<UploadPage>>;
  /** Seconds and number of videos that are ready, of one creator or of all. */
  storage(tenant: string, creator?: string): Promise<Result<{ readonly seconds: number; readonly videos: number }>>;
  /** The upload is cancelled, and holds nothing any longer; undefined: there is none. */
  cancel(tenant: string, idOrUid: string): Promise<Result<KeptUpload | undefined>>;
  /** The video of a cancelled upload is no longer at Stream. */
  confirmGone(tenant: string, id: string): Promise<void>;
  /** Takes in what Stream says of a video. False: none of the tenant's uploads is meant. */
  record(tenant: string, upstream: string, video: StreamVideo): Promise<Result<boolean>>;
  /** Takes in all that Stream has of a span of time, and has whatever is missing there looked for. */
  compare(tenant: string, upstream: string, page: VideoPage): Promise<Result<Comparison>>;

  events(tenant: string, query: EventQuery): Promise<Result<EventPage>>;
  /** With all attempts to deliver it. */
  event(
    tenant: string,
    id: string,
  ): Promise<Result<(KeptEvent & { readonly attempts: readonly Attempt[] }) | undefined>>;
  recordAttempt(tenant: string, eventId: string, attempt: Attempt): Promise<void>;
}

/** An upload as the ledger keeps it. */
export interface KeptUpload extends Upload {
  readonly upstream: string;
  /** Stream's own object of the video, as it was last seen; undefined: not yet. */
  readonly video?: Readonly<Record<string, unknown>>;
}

export interface UploadQuery {
  readonly state?: UploadState;
  readonly creator?: string;
  /** Seconds since the epoch: created at or after, and before. */
  readonly from?: number;
  readonly to?: number;
  /** Of the page before. */
  readonly cursor?: string;
  readonly limit: number;
}

/** The newest first. A page with a cursor may be short of its limit, or empty, and still not be the last. */
export interface UploadPage {
  readonly uploads: readonly KeptUpload[];
  readonly cursor?: string;
}

/** A video as Stream shows it, by its API or in an event. Times are seconds since the epoch. */
export interface StreamVideo {
  readonly report: ExistingVideo;
  /** Whose it is, by the `sluice` key of its `meta`; undefined: it was not made here, or the key was taken away. */
  readonly tag?: { readonly tenant: string; readonly uploadId: string };
  readonly creator?: string;
  readonly created?: number;
  /** When its upload URL dies. */
  readonly expires?: number;
  /** Reserved while it is not ready. */
  readonly maxDurationSeconds?: number;
  /** Stream's own object. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface VideoList {
  readonly videos: readonly StreamVideo[];
  /** There are no newer ones. */
  readonly last: boolean;
}

/** All videos of one tenant that Stream has of a span of time. Seconds since the epoch; both ends are within. */
export interface VideoPage {
  readonly from: number;
  readonly to: number;
  readonly videos: readonly StreamVideo[];
}

/** What a comparison has changed. */
export interface Comparison {
  /** Uploads whose state Stream knew better. */
  readonly settled: number;
  /** Videos that carried the tenant's tag, and of which the ledger knew nothing. */
  readonly adopted: number;
  /** Uploads whose video was not there: Stream is asked about each of them before anything is changed. */
  readonly missing: number;
}

/** An event of an upload, kept for its tenant's endpoints. */
export interface KeptEvent {
  /** The `webhook-id` of its deliveries. */
  readonly id: string;
  readonly body: UploadEventBody;
}

export interface EventQuery {
  readonly cursor?: string;
  readonly limit: number;
}

/** The newest first. */
export interface EventPage {
  readonly events: readonly KeptEvent[];
  readonly cursor?: string;
}

/** One attempt to deliver an event to an endpoint. */
export interface Attempt {
  readonly endpoint: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly outcome: "delivered" | "failed" | "given up";
  /** What the endpoint answered, if it did. */
  readonly status?: number;
  /** Why it failed, in a few words. */
  readonly reason?: string;
  readonly milliseconds?: number;
}

/** An event on its way to one endpoint, as the queue carries it. */
export interface Delivery {
  readonly tenant: string;
  readonly endpoint: string;
  readonly event: KeptEvent;
}

/** Carries events to the consumer that delivers them: at least once, in any order. */
export interface DeliveryQueue {
  send(deliveries: readonly Delivery[]): Promise<void>;
}

/** Sends an event to an endpoint, signed with all of its secrets. */
export interface Webhooks {
  send(endpoint: Endpoint, event: KeptEvent): Promise<WebhookAnswer>;
}

/** The status that an endpoint answered with, or why there is none. */
export type WebhookAnswer = { readonly status: number } | { readonly reason: string };

/** What deliveries have shown of an endpoint. Each counts only for the URL that it was seen with. */
export interface EndpointHealth {
  /** @param since milliseconds since the epoch; an earlier failure counts on */
  failing(endpoint: Endpoint, since: number): Promise<void>;
  recovered(endpoint: Endpoint): Promise<void>;
  /** It gets nothing any more until the operator puts it anew. */
  disable(endpoint: Endpoint, reason: string): Promise<void>;
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

/** Creates the upload at Stream. */
export interface StreamApi {
  create(upstream: Upstream, creation: UpstreamCreation): Promise<StreamOutcome>;
  /** Makes a basic link: `location` is then for one form with the whole file. */
  createDirect(upstream: Upstream, creation: DirectUpload): Promise<StreamOutcome>;
  /** Undefined: Stream does not say. */
  video(upstream: Upstream, uid: string): Promise<StreamVideo | AbsentVideo | undefined>;
  /** Looks for the video of a creation whose answer was lost, by the `sluice` key in its `meta`. */
  findVideo(upstream: Upstream, lost: LostCreation): Promise<StreamVideo | AbsentVideo | undefined>;
  /** The oldest videos that were created at or after a moment, the oldest first; undefined: Stream does not say. */
  videosSince(upstream: Upstream, created: number, limit: number): Promise<VideoList | undefined>;
  /** Whether an upload URL is alive and has taken bytes: the upload host is asked, not the API. True: it does not say. */
  hasBegun(location: string): Promise<boolean>;
  /** True: it is gone. */
  deleteVideo(upstream: Upstream, uid: string): Promise<boolean>;
}

/** The one webhook that a Stream account has. */
export interface StreamWebhook {
  readonly notificationUrl: string;
  readonly secret: string;
}

export interface StreamWebhooks {
  current(upstream: Upstream): Promise<Result<StreamWebhook | undefined>>;
  /** Replaces it. */
  register(upstream: Upstream, notificationUrl: string): Promise<Result<StreamWebhook>>;
}

export interface AbsentVideo {
  readonly report: Extract<VideoReport, { kind: "absent" }>;
}

export interface LostCreation {
  readonly uploadId: string;
  readonly creator?: string;
  /** Seconds since the epoch, when Stream was asked. */
  readonly askedAt: number;
}

export interface UpstreamCreation {
  /** Bytes. */
  readonly length: number;
  /** The whole `Upload-Metadata` header. */
  readonly metadata: string;
  readonly creator?: string;
}

/** `status` is Stream's, where it answered; `pauseSeconds`, for how long it wants to be left alone. */
export type StreamOutcome = { readonly pauseSeconds?: number } & (
  | { readonly kind: "created"; readonly status: number; readonly uid: string; readonly location: string }
  /** There is certainly no video. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: Problem }
  /** There may be a video, though nobody has its URL. */
  | { readonly kind: "unknown"; readonly status?: number; readonly problem: Problem }
);

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
