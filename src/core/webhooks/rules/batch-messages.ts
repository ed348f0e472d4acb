/** Limits of one batch. */
export interface BatchLimits {
  readonly messages: number;
  /** Total size of the messages as JSON, overhead included. */
  readonly bytes: number;
  /** Added to the size of each message. */
  readonly overheadBytes: number;
}

/** Splits messages into as few batches as the limits allow, in order. A message above the limit gets its own batch. */
export function splitIntoBatches<T>(messages: readonly T[], limits: BatchLimits): T[][] {
  const encoder = new TextEncoder();
  const batches: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = encoder.encode(JSON.stringify(message)).byteLength + limits.overheadBytes;
    if (current.length === 0 || current.length === limits.messages || bytes + size > limits.bytes) {
      current = [];
      bytes = 0;
      batches.push(current);
    }
    current.push(message);
    bytes += size;
  }
  return batches;
}
