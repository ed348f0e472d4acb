/** Codes of the helper itself, for failures without a response of the gateway. */
export type LocalErrorCode =
  /** The file has no bytes; nothing was asked for. */
  | "file_empty"
  /** `getGrant` failed; its error is the `cause`. */
  | "grant_unavailable"
  /** The file has changed or is gone since it was chosen. */
  | "file_unreadable"
  /** No response, or one that the page may not read: the network, CORS, or a blocked request. */
  | "no_response"
  /** A response without a code: of Stream's upload host, or of a proxy. */
  | "unexpected_response"
  /** The page has cancelled the upload. */
  | "cancelled";

/** Codes of the gateway that a page often treats on their own. All of them: docs/api.md, "Errors". */
export type GatewayErrorCode =
  | "credential_expired"
  | "credential_invalid"
  | "credential_revoked"
  | "file_type_not_allowed"
  | "grant_used"
  | "idempotency_key_reused"
  | "limit_exceeded"
  | "limit_too_small"
  | "not_found"
  | "origin_not_allowed"
  | "policy_violation"
  | "stream_queue_full"
  | "stream_storage_full"
  | "tenant_suspended"
  | "upload_too_large"
  | "upload_too_small"
  | "upstream_busy";

/** Why an upload failed, or why it waits. */
export class UploadError extends Error {
  declare readonly code: LocalErrorCode | GatewayErrorCode | (string & {});
  /** Of the response, if there is one. */
  declare readonly status: number | undefined;
  /** Seconds that the gateway asks to wait. */
  declare readonly retryAfterSeconds: number | undefined;
  /** The gateway's problem document. */
  declare readonly problem: Problem | null | undefined;

  constructor(code: UploadError["code"], message: string, more?: Partial<UploadError>) {
    super(message);
    Object.assign(this, more, { code });
  }
}

/** docs/api.md, "Errors". */
export interface Problem {
  readonly code?: string;
  readonly detail?: string;
  /** The metadata key, header or field at fault. */
  readonly key?: string;
  /** The limit that was reached. */
  readonly limit?: string;
  readonly used?: number;
  readonly allowed?: number;
  /** In place of `used`: the limit can never admit the upload. */
  readonly requested?: number;
  readonly requestId?: string;
}

/** @internal */
export const CANCELLED = new UploadError("cancelled", "Cancelled.");

/** Converts any error of tus-js-client or Uppy, e.g. in Uppy's `upload-error`. */
export function uploadErrorOf(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const { isNetworkError, originalRequest: request, originalResponse: response, causingError } = cause as ClientError;
  // Uppy's, around the client's.
  if (isNetworkError) return uploadErrorOf((cause as Error).cause);
  if (causingError instanceof UploadError) return causingError;
  if (response) {
    // The upload host does not let a page read the header.
    const retryAfter = request?.getMethod() === "POST" && response.getHeader("Retry-After");
    return errorOfResponse(response.getStatus(), response.getBody(), retryAfter);
  }
  // The cause of a network failure is an event.
  return request && !(causingError instanceof Error)
    ? noResponse(cause)
    : new UploadError("file_unreadable", String(causingError ?? cause), { cause });
}

/** @internal */
export function noResponse(cause: unknown): UploadError {
  return new UploadError("no_response", "No response.", { cause });
}

/** @internal */
export function errorOfResponse(status: number, body: string, retryAfter: unknown): UploadError {
  let problem: UploadError["problem"];
  try {
    problem = JSON.parse(body) as UploadError["problem"];
  } catch {
    // Not of the gateway.
  }
  const { code = "unexpected_response", detail = `Unexpected status: ${status}.` } = problem ?? {};
  return new UploadError(code, detail, { status, problem, retryAfterSeconds: Number(retryAfter) || undefined });
}

/** What is read of a `DetailedError` of tus-js-client, or of a `NetworkError` of Uppy; other errors have none of it. */
interface ClientError {
  readonly isNetworkError?: boolean;
  readonly originalRequest?: { getMethod(): string } | null;
  readonly originalResponse?: {
    getStatus(): number;
    getBody(): string;
    getHeader(name: string): string | null | undefined;
  } | null;
  readonly causingError?: unknown;
}
