import { problem } from "../../core/shared/problem.ts";
import { type Err, type Result, err, ok } from "../../core/shared/result.ts";
import { readBounded } from "../../platform/read-bounded.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxSeconds: number;
}

/** Enough for a policy document; Stream's description of a video is about 2 KB. A phone on a slow network sends it in this time. */
const DOCUMENT: BodyLimits = { maxBytes: 64 * 1024, maxSeconds: 10 };

const CLIENT_CLOSED = err(problem("client_closed", "The body broke off."));

/**
 * Reads the body of a request: what headers and credential can refuse is refused before.
 *
 * @returns 413 above the maximum, whatever Content-Length says; 408 if the body is not complete in time. The body then stays
 *   locked, so that `endAfterRequestBody` does not wait for its end, and the runtime closes the connection.
 */
export async function readBody(
  request: Request,
  { maxBytes, maxSeconds }: BodyLimits = DOCUMENT,
): Promise<Result<Uint8Array<ArrayBuffer>>> {
  // Below, a failure to read counts as the client's.
  if (request.bodyUsed) throw new Error("The body has been read before.");
  const tooLarge = err(problem("body_too_large", `The body must be at most ${maxBytes} bytes.`));
  if (Number(request.headers.get("content-length")) > maxBytes) return tooLarge;
  const timeout = Promise.withResolvers<Err>();
  const late = err(problem("body_timeout", `The body must arrive within ${maxSeconds} seconds.`));
  const timer = setTimeout(timeout.resolve, maxSeconds * 1000, late);
  const read = readBounded(request.body, maxBytes, "leave").then(
    (bytes) => (bytes ? ok(bytes) : tooLarge),
    () => CLIENT_CLOSED,
  );
  const body = await Promise.race([read, timeout.promise]);
  clearTimeout(timer);
  return body;
}
