import { drain } from "../../platform/drain.ts";

/** What a client may still be sending when its request is answered: one chunk of a tus client, which usually has 50 MiB. */
const DRAIN_LIMITS = { maxBytes: 100 * 1024 * 1024, maxMilliseconds: 30_000 };

/** Responses with these statuses cannot have a body. */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * Sends head and body of the response at once, but ends the response only when the body of the request has been read.
 *
 * The runtime closes the connection when a response ends before the request's body. A browser that is still sending then sees
 * no response but a network failure, and repeats the request: a creation with a body of a few megabytes would create an upload
 * for each attempt. Refusals, too, must be readable.
 */
export async function endAfterRequestBody(
  request: Request,
  response: Response,
  context: Pick<ExecutionContext, "waitUntil">,
): Promise<Response> {
  if (!hasBody(request.headers) || !request.body) return response;
  // A route that reads its body succeeds only at the body's end.
  if (request.bodyUsed && response.ok) return response;
  const drained = drain(request.body, DRAIN_LIMITS);
  // The runtime sends the head of a response to HEAD only when its body has ended.
  if (request.method === "HEAD" || NULL_BODY_STATUSES.has(response.status)) {
    context.waitUntil(drained);
    return response;
  }
  const body = await response.arrayBuffer();
  // With its length, the response is complete before it ends: clients that send for ever do not wait for its end. The runtime
  // sends the head of a stream of length 0 only at its end.
  const { readable, writable } = body.byteLength > 0 ? new FixedLengthStream(body.byteLength) : new TransformStream();
  context.waitUntil(sendAndEnd(body, writable, drained));
  return new Response(readable, response);
}

/** Checks the headers: `body` is not null with `Content-Length: 0` either. workerd adds one of them to a body without, which HTTP/2 allows. */
export function hasBody(headers: Headers): boolean {
  const length = headers.get("content-length");
  return length === null ? headers.has("transfer-encoding") : length !== "0";
}

async function sendAndEnd(
  body: ArrayBuffer,
  writable: WritableStream<Uint8Array>,
  drained: Promise<void>,
): Promise<void> {
  const writer = writable.getWriter();
  try {
    await writer.write(new Uint8Array(body));
    await drained;
    await writer.close();
  } catch (error) {
    // Most likely the client has closed the connection.
    await writer.abort(error).catch(() => undefined);
  }
}
