/**
 * Reads a body to its end. Stops reading at `maxBytes`.
 *
 * Copies each chunk, since the runtime allocates 4 KiB for every one: a body that arrives byte by byte would hold a thousand
 * times its size.
 *
 * @param rest what happens to the bytes after `maxBytes`; `leave` is for a request, see `endAfterRequestBody`
 * @returns `undefined` if the body is longer than `maxBytes`
 * @throws if the body breaks off
 */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  rest: "cancel" | "leave" = "cancel",
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let buffer = new Uint8Array();
  let bytes = 0;
  for await (const chunk of body?.values({ preventCancel: rest === "leave" }) ?? []) {
    const needed = bytes + chunk.byteLength;
    if (needed > maxBytes) return undefined;
    if (needed > buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, 2 * buffer.byteLength));
      grown.set(buffer);
      buffer = grown;
    }
    buffer.set(chunk, bytes);
    bytes = needed;
  }
  return buffer.subarray(0, bytes);
}
