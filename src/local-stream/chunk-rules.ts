const MIB = 1024 * 1024;
/** [C] The last chunk is free. */
const MIN_CHUNK_BYTES = 5 * MIB;
/** [C] */
const MAX_CHUNK_BYTES = 200 * MIB;
/** [C] */
const CHUNK_STEP_BYTES = MIB / 4;

/**
 * Checks the size of a chunk. A broken rule is 400 before the chunk is read [U].
 *
 * @returns the rule that is broken, if any
 */
export function findBrokenChunkRule(bytes: number, offset: number, length: number): string | undefined {
  if (bytes > MAX_CHUNK_BYTES) return `a chunk has at most ${MAX_CHUNK_BYTES} bytes`;
  if (offset + bytes >= length) return undefined;
  if (bytes < MIN_CHUNK_BYTES) return `a chunk that is not the last has at least ${MIN_CHUNK_BYTES} bytes`;
  if (bytes % CHUNK_STEP_BYTES !== 0) return `the length of a chunk must be a multiple of ${CHUNK_STEP_BYTES} bytes`;
  return undefined;
}
