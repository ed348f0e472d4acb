import type { IncomingMessage } from "node:http";

/** A request as it came in. */
export interface RecordedRequest {
  /** Milliseconds since the epoch, by the Stream's clock. */
  readonly at: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Names and values in turn, in the order and the case in which they came. */
  readonly rawHeaders: readonly string[];
  /** Bytes of the body that have come so far. */
  readonly bodyBytes: number;
}

/** So many requests are remembered; the oldest go. */
const MAX_RECORDED = 50_000;

/** Remembers what was received, so that tests can compare the wire byte by byte. */
export class Recorder {
  #requests: RecordedRequest[] = [];

  requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  /** Creations by tus, which is what a gateway sends. */
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
 * Calls `counted` with the bytes that have come, each time some have. It stands where Node hands them to the request: a
 * listener for `data` would start their flow before anybody else is there to take them.
 */
export function countBody(request: IncomingMessage, counted: (bytes: number) => void): void {
  const push = request.push.bind(request);
  let bytes = 0;
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    const wanted = push(chunk, encoding);
    if (chunk instanceof Uint8Array) {
      bytes += chunk.byteLength;
      counted(bytes);
    }
    return wanted;
  };
}
