import type { TokenStep } from "../auth/rules/token-step.ts";
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
  bad_request: { status: 400, cloudflare: 10005 },
  body_invalid: { status: 400, cloudflare: 10005 },
  body_too_large: { status: 413, cloudflare: 10005 },
  body_timeout: { status: 408, cloudflare: 10005 },
  client_closed: { status: 499, cloudflare: 10005 },
  not_found: { status: 404, cloudflare: 10003 },
  method_not_allowed: { status: 405, cloudflare: 10405 },
  not_offered: { status: 501, cloudflare: 10501 },
  conflict: { status: 409, cloudflare: 10005 },

  // tus
  tus_version_unsupported: { status: 412, cloudflare: 10005 },
  tus_extension_unsupported: { status: 400, cloudflare: 10005 },
  upload_length_required: { status: 400, cloudflare: 10005 },
  upload_length_invalid: { status: 400, cloudflare: 10005 },
  upload_metadata_invalid: { status: 400, cloudflare: 10005 },
  upload_metadata_too_large: { status: 400, cloudflare: 10005 },
  metadata_value_invalid: { status: 400, cloudflare: 10005 },
  creator_invalid: { status: 400, cloudflare: 10005 },

  // Credentials
  credential_missing: { status: 401, cloudflare: 10000 },
  credential_ambiguous: { status: 400, cloudflare: 10005 },
  credential_invalid: { status: 401, cloudflare: 10000 },
  credential_expired: { status: 401, cloudflare: 10000 },
  credential_not_yet_valid: { status: 401, cloudflare: 10000 },
  credential_revoked: { status: 401, cloudflare: 10000 },
  credential_too_large: { status: 401, cloudflare: 10000 },
  credential_wrong_audience: { status: 401, cloudflare: 10000 },
  credential_wrong_party: { status: 401, cloudflare: 10000 },
  credential_rejected: { status: 401, cloudflare: 10000 },
  credential_unknown_issuer: { status: 401, cloudflare: 10000 },
  credential_unknown_key: { status: 401, cloudflare: 10000 },
  tenant_mismatch: { status: 403, cloudflare: 9109 },
  provisioning_limit: { status: 403, cloudflare: 9109 },
  provisioning_busy: { status: 429, cloudflare: 10429 },
  tenant_suspended: { status: 403, cloudflare: 9109 },
  scope_missing: { status: 403, cloudflare: 9109 },
  origin_not_allowed: { status: 403, cloudflare: 9109 },
  webhook_signature_invalid: { status: 403, cloudflare: 9109 },
  too_many_failures: { status: 429, cloudflare: 10429 },

  // Policy
  policy_violation: { status: 403, cloudflare: 10005 },
  policy_conflict: { status: 403, cloudflare: 10005 },
  feature_not_allowed: { status: 403, cloudflare: 10005 },
  file_type_not_allowed: { status: 403, cloudflare: 10005 },
  upload_too_small: { status: 403, cloudflare: 10005 },
  upload_too_large: { status: 413, cloudflare: 10005 },

  // Limits and idempotency
  limit_too_small: { status: 403, cloudflare: 10005 },
  limit_exceeded: { status: 429, cloudflare: 10429 },
  creation_in_progress: { status: 409, cloudflare: 10005 },
  idempotency_key_invalid: { status: 400, cloudflare: 10005 },
  idempotency_key_reused: { status: 422, cloudflare: 10005 },
  edit_in_progress: { status: 409, cloudflare: 10005 },
  upload_not_pending: { status: 409, cloudflare: 10005 },
  upload_not_ready: { status: 409, cloudflare: 10005 },
  upload_not_playable: { status: 410, cloudflare: 10005 },
  upload_cancelled: { status: 410, cloudflare: 10005 },
  grant_used: { status: 403, cloudflare: 9109 },
  upstream_busy: { status: 429, cloudflare: 10429 },

  // An upstream of the operator API
  upstream_credential_refused: { status: 422, cloudflare: 10005 },
  upstream_account_unknown: { status: 422, cloudflare: 10005 },

  // Stream and other dependencies
  stream_rejected: { status: 400, cloudflare: 10005 },
  stream_rate_limited: { status: 429, cloudflare: 10429 },
  stream_queue_full: { status: 429, cloudflare: 10429 },
  stream_storage_full: { status: 429, cloudflare: 10011 },
  stream_credential_refused: { status: 502, cloudflare: 10502 },
  stream_unreachable: { status: 502, cloudflare: 10502 },
  stream_error: { status: 502, cloudflare: 10502 },
  stream_bad_answer: { status: 502, cloudflare: 10502 },
  stream_unavailable: { status: 503, cloudflare: 10503 },
  stream_timeout: { status: 504, cloudflare: 10504 },
  jwks_unavailable: { status: 503, cloudflare: 10503 },
  ledger_unavailable: { status: 503, cloudflare: 10503 },
  registry_busy: { status: 503, cloudflare: 10503 },
  tenant_changing: { status: 503, cloudflare: 10503 },
  registry_unavailable: { status: 503, cloudflare: 10503 },
  queue_unavailable: { status: 503, cloudflare: 10503 },
  upstream_unknown: { status: 503, cloudflare: 10503 },
  misconfigured: { status: 500, cloudflare: 10500 },
  internal_error: { status: 500, cloudflare: 10500 },
} as const satisfies Record<string, { status: number; cloudflare: number }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** The code in words, such as "Upload too large": the title of a problem. */
export function titleOf(code: string): string {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Why a step failed. All members but `facts` are public; `facts` are for the log and never contain a secret. */
export interface Problem {
  readonly code: ProblemCode;
  /** One sentence for the engineer who fixes it: what is wrong, what was received, what is accepted. */
  readonly detail: string;
  /** The metadata key, parameter or body field at fault. */
  readonly key?: string;
  /** Where the verification of a token ended. */
  readonly step?: TokenStep;
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
  /** The operations that are offered, with `not_offered`. */
  readonly offered?: readonly string[];
  /** Seconds until a retry can succeed: the header `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;
}

/** Of `detail` and `key`, which may name a member of the client's document: that can have 64 KiB. */
const MAX_TEXT_CHARACTERS = 1_000;

export function problem(code: ProblemCode, detail: string, more: Omit<Problem, "code" | "detail"> = {}): Problem {
  const key = more.key && { key: truncate(more.key, MAX_TEXT_CHARACTERS) };
  return { code, detail: truncate(detail, MAX_TEXT_CHARACTERS), ...more, ...key };
}
