/**
 * Reads a body to its end. Stops reading at `maxBytes`.
 *
 * @param rest what happens to the bytes after `maxBytes`; `leave` is for a request, see `endAfterRequestBody`
 * @returns `undefined` if the body is longer than `maxBytes`
 */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  rest: "cancel" | "leave" = "cancel",
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body?.values({ preventCancel: rest === "leave" }) ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
