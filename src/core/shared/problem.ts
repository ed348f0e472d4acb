import type { RateStatus } from "../quota/rules/limits.ts";
import { truncate } from "./text.ts";

/**
 * All problems, by code.
 *
 * The status decides what clients do. tus-js-client treats 4xx as final, except 409 and 423, and retries everything else at
 * once. Therefore 5xx is only for failures of the gateway and its dependencies, a creation returns 409 only while another is in
 * progress, and a limit is a 429 (final for tus-js-client, retried later by Uppy). `cloudflare` is the closest code of
 * Cloudflare's API envelope, which the official SDK shows.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export const PROBLEMS = {
  // The request
  bad_request: { status: 400, cloudflare: 10005, title: "Bad request" },
  body_invalid: { status: 400, cloudflare: 10005, title: "Invalid request body" },
  body_too_large: { status: 413, cloudflare: 10005, title: "Request body too large" },
  body_timeout: { status: 408, cloudflare: 10005, title: "Request body too slow" },
  client_closed: { status: 499, cloudflare: 10005, title: "Client closed the connection" },
  not_found: { status: 404, cloudflare: 10003, title: "Not found" },
  method_not_allowed: { status: 405, cloudflare: 10405, title: "Method not allowed" },
  conflict: { status: 409, cloudflare: 10005, title: "Conflict" },

  // tus
  tus_version_unsupported: { status: 412, cloudflare: 10005, title: "Unsupported tus version" },
  tus_extension_unsupported: { status: 400, cloudflare: 10005, title: "Unsupported tus extension" },
  upload_length_required: { status: 400, cloudflare: 10005, title: "Upload-Length is required" },
  upload_length_invalid: { status: 400, cloudflare: 10005, title: "Invalid Upload-Length" },
  upload_metadata_invalid: { status: 400, cloudflare: 10005, title: "Invalid Upload-Metadata" },
  upload_metadata_too_large: { status: 400, cloudflare: 10005, title: "Upload-Metadata is too large" },
  metadata_value_invalid: { status: 400, cloudflare: 10005, title: "Invalid metadata value" },
  creator_invalid: { status: 400, cloudflare: 10005, title: "Invalid creator" },

  // Credentials
  credential_missing: { status: 401, cloudflare: 10000, title: "Credential required" },
  credential_invalid: { status: 401, cloudflare: 10000, title: "Invalid credential" },
  credential_expired: { status: 401, cloudflare: 10000, title: "Expired credential" },
  credential_not_yet_valid: { status: 401, cloudflare: 10000, title: "Credential not yet valid" },
  credential_revoked: { status: 401, cloudflare: 10000, title: "Revoked credential" },
  credential_too_large: { status: 401, cloudflare: 10000, title: "Credential too large" },
  credential_wrong_audience: { status: 401, cloudflare: 10000, title: "Credential for another audience" },
  credential_unknown_issuer: { status: 401, cloudflare: 10000, title: "Credential of an unknown issuer" },
  credential_unknown_key: { status: 401, cloudflare: 10000, title: "Credential signed by an unknown key" },
  tenant_mismatch: { status: 403, cloudflare: 9109, title: "Credential of another tenant" },
  tenant_suspended: { status: 403, cloudflare: 9109, title: "Tenant suspended" },
  scope_missing: { status: 403, cloudflare: 9109, title: "Scope missing" },
  origin_not_allowed: { status: 403, cloudflare: 9109, title: "Origin not allowed" },
  webhook_signature_invalid: { status: 403, cloudflare: 9109, title: "Invalid webhook signature" },
  too_many_failures: { status: 429, cloudflare: 10429, title: "Too many failed attempts" },

  // Policy
  policy_violation: { status: 403, cloudflare: 10005, title: "Refused by policy" },
  policy_conflict: { status: 403, cloudflare: 10005, title: "Policies contradict each other" },
  file_type_not_allowed: { status: 403, cloudflare: 10005, title: "File type not allowed" },
  upload_too_small: { status: 403, cloudflare: 10005, title: "Upload too small" },
  upload_too_large: { status: 413, cloudflare: 10005, title: "Upload too large" },

  // Limits and idempotency
  limit_too_small: { status: 403, cloudflare: 10005, title: "Limit too small" },
  limit_exceeded: { status: 429, cloudflare: 10429, title: "Limit reached" },
  creation_in_progress: { status: 409, cloudflare: 10005, title: "Creation in progress" },
  idempotency_key_invalid: { status: 400, cloudflare: 10005, title: "Invalid Idempotency-Key" },
  idempotency_key_reused: { status: 422, cloudflare: 10005, title: "Idempotency key already used" },
  upload_cancelled: { status: 410, cloudflare: 10005, title: "Upload cancelled" },
  grant_used: { status: 403, cloudflare: 9109, title: "Grant already used" },
  upstream_busy: { status: 429, cloudflare: 10429, title: "Too many requests to Stream" },

  // An upstream of the operator API
  upstream_credential_refused: { status: 422, cloudflare: 10005, title: "Credential refused by Stream" },
  upstream_account_unknown: { status: 422, cloudflare: 10005, title: "Account unknown to Stream" },

  // Stream and other dependencies
  stream_rejected: { status: 400, cloudflare: 10005, title: "Refused by Stream" },
  stream_rate_limited: { status: 429, cloudflare: 10429, title: "Stream's request limit is reached" },
  stream_queue_full: { status: 429, cloudflare: 10429, title: "Stream's queue is full" },
  stream_storage_full: { status: 429, cloudflare: 10011, title: "Stream's storage is full" },
  stream_credential_refused: { status: 502, cloudflare: 10502, title: "Stream is not available" },
  stream_unreachable: { status: 502, cloudflare: 10502, title: "Stream is not available" },
  stream_error: { status: 502, cloudflare: 10502, title: "Stream answered with an error" },
  stream_bad_answer: { status: 502, cloudflare: 10502, title: "Stream's answer cannot be used" },
  stream_unavailable: { status: 503, cloudflare: 10503, title: "Stream is not available" },
  stream_timeout: { status: 504, cloudflare: 10504, title: "Stream did not answer in time" },
  jwks_unavailable: { status: 503, cloudflare: 10503, title: "The issuer's keys are not available" },
  ledger_unavailable: { status: 503, cloudflare: 10503, title: "The ledger is not available" },
  registry_busy: { status: 503, cloudflare: 10503, title: "Too many look-ups" },
  tenant_changing: { status: 503, cloudflare: 10503, title: "Tenant is being changed" },
  registry_unavailable: { status: 503, cloudflare: 10503, title: "The registry is not available" },
  queue_unavailable: { status: 503, cloudflare: 10503, title: "The queue is not available" },
  upstream_unknown: { status: 503, cloudflare: 10503, title: "The tenant's upstream is not configured" },
  misconfigured: { status: 500, cloudflare: 10500, title: "Not configured" },
  internal_error: { status: 500, cloudflare: 10500, title: "Internal error" },
} as const satisfies Record<string, { status: number; cloudflare: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Why a step failed. All members but `facts` are public; `facts` are for the log and never contain a secret. */
export interface Problem {
  readonly code: ProblemCode;
  /** One sentence for the engineer who fixes it: what is wrong, what was received, what is accepted. */
  readonly detail: string;
  /** The metadata key, parameter or body field at fault. */
  readonly key?: string;
  /** The limit that refused: what is `used` of it, if waiting helps; what was `requested`, if this request can never meet it. */
  readonly limit?: {
    readonly name: string;
    readonly used?: number;
    readonly allowed: number;
    readonly requested?: number;
  };
  /** State of the limit of creations per minute, if there is one, with `limit_exceeded`. */
  readonly rate?: RateStatus;
  /** Methods of the path, with `method_not_allowed`. */
  readonly allow?: readonly string[];
  /** Seconds until a retry can succeed: the header `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;
}

/** Of `detail` and `key`, which may name a member of the client's document: that can have 64 KiB. */
const MAX_TEXT_CHARACTERS = 1_000;

export function problem(code: ProblemCode, detail: string, more: Omit<Problem, "code" | "detail"> = {}): Problem {
  const key = more.key !== undefined && { key: truncate(more.key, MAX_TEXT_CHARACTERS) };
  return { code, detail: truncate(detail, MAX_TEXT_CHARACTERS), ...more, ...key };
}
