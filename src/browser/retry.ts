import type { UploadError } from "./upload-error.ts";

/**
 * What a failure calls for: `wait` and repeat the request, get a `new grant`, get a `new url`, or `give up`. A creation is
 * repeated with its `Idempotency-Key`, so a lost response makes no second video.
 */
export type Remedy = "wait" | "new grant" | "new url" | "give up";

const MAX_BACKOFF_SECONDS = 30;

/** @param method `POST` and `DELETE` go to the gateway, `HEAD` and `PATCH` to Stream's upload host */
export function remedyFor(method: string, { code, status = 0 }: Pick<UploadError, "code" | "status">): Remedy {
  // 409: a creation is in progress, or the offset is another one; 423: the upload is locked by the request before.
  if (code === "no_response" || status >= 500 || [409, 423, 429].includes(status)) return "wait";
  if (code === "credential_expired" && method === "POST") return "new grant";
  // How Stream answers for a URL that has died is assumed: like tus-js-client, any 4xx to HEAD counts.
  if ((method === "HEAD" && status >= 400) || (method === "PATCH" && [404, 410].includes(status))) return "new url";
  return "give up";
}

/** @param failures since the last progress, this one included */
export function delaySecondsOf(error: UploadError, failures: number, remedy: Remedy): number {
  const ownSeconds = failures === 1 && remedy !== "wait" ? 0 : Math.min(2 ** (failures - 1), MAX_BACKOFF_SECONDS);
  return error.retryAfterSeconds || ownSeconds;
}
