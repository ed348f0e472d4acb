import type { IncomingMessage } from "node:http";

/** A received request. */
export interface RecordedRequest {
  /** Milliseconds since the epoch, by the Stream's clock. */
  readonly at: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Names and values in turn, in the received order and case. */
  readonly rawHeaders: readonly string[];
  /** Bytes of the body received so far. */
  readonly bodyBytes: number;
}

/** Number of requests kept; the oldest are dropped. */
const MAX_RECORDED = 50_000;

/** Records requests, so that tests can compare them byte by byte. */
export class Recorder {
  #requests: RecordedRequest[] = [];

  requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  /** tus creations. */
  creations(): readonly RecordedRequest[] {
    return this.#requests.filter(({ method, url }) => method === "POST" && /\/stream(?:\?|$)/.test(url));
  }

  record(at: number, request: IncomingMessage): void {
    const { method = "", url = "", rawHeaders } = request;
    const recorded = { at, method, url, rawHeaders, bodyBytes: 0 };
    countBody(request, (bytes) => (recorded.bodyBytes = bytes));
    this.#requests.push(recorded);
    if (this.#requests.length > MAX_RECORDED) this.#requests.shift();
  }

  clear(): void {
    this.#requests = [];
  }
}

/**
 * Calls `onBytes` with the total so far, for each chunk. It wraps `push`, since a `data` listener would start the flow before the
 * consumer is attached.
 */
export function countBody(request: IncomingMessage, onBytes: (bytes: number) => void): void {
  const push = request.push.bind(request);
  let bytes = 0;
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    const wantsMore = push(chunk, encoding);
    if (chunk instanceof Uint8Array) {
      bytes += chunk.byteLength;
      onBytes(bytes);
    }
    return wantsMore;
  };
}
