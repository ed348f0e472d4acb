import { problem } from "../../core/shared/problem.ts";
import { type Result, err, ok } from "../../core/shared/result.ts";
import { readBounded } from "../../platform/read-bounded.ts";

/** Enough for a policy document. Stream's description of a video is about 2 KB; its `meta` may hold more. */
const MAX_BODY_BYTES = 64 * 1024;
/** A phone on a slow network sends 64 KiB in this time. */
const MAX_BODY_SECONDS = 10;

const TOO_LARGE = err(problem("body_too_large", `The body must be at most ${MAX_BODY_BYTES} bytes.`));
const TIMEOUT = err(problem("body_timeout", `The body must arrive within ${MAX_BODY_SECONDS} seconds.`));
const CLIENT_CLOSED = err(problem("client_closed", "The body broke off."));

/**
 * Reads the body of a request: what headers and credential can refuse is refused before.
 *
 * @returns 413 above 64 KiB, whatever Content-Length says; 408 if the body is not complete after 10 seconds. The body then stays
 *   locked, so that `endAfterRequestBody` does not wait for its end, and the runtime closes the connection.
 */
export async function readBody(request: Request): Promise<Result<Uint8Array>> {
  // Below, a failure to read counts as the client's.
  if (request.bodyUsed) throw new Error("The body has been read before.");
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) return TOO_LARGE;
  const timeout = Promise.withResolvers<typeof TIMEOUT>();
  const timer = setTimeout(timeout.resolve, MAX_BODY_SECONDS * 1000, TIMEOUT);
  const read = readBounded(request.body, MAX_BODY_BYTES, "leave").then(
    (bytes) => (bytes ? ok(bytes) : TOO_LARGE),
    () => CLIENT_CLOSED,
  );
  const body = await Promise.race([read, timeout.promise]);
  clearTimeout(timer);
  return body;
}
