/** What a batch may hold. */
export interface BatchLimits {
  readonly messages: number;
  /** Of all messages together, as JSON. */
  readonly bytes: number;
  /** What each message takes besides. */
  readonly overheadBytes: number;
}

/** Messages in their order, in as few batches as the limits allow. One that is too large by itself is a batch of its own. */
export function batches<T>(messages: readonly T[], limits: BatchLimits): T[][] {
  const encoder = new TextEncoder();
  const all: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = encoder.encode(JSON.stringify(message)).byteLength + limits.overheadBytes;
    if (current.length === 0 || current.length === limits.messages || bytes + size > limits.bytes) {
      current = [];
      bytes = 0;
      all.push(current);
    }
    current.push(message);
    bytes += size;
  }
  return all;
}
