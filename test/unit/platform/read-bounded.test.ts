import { describe, expect, it, vi } from "vitest";
import { readBounded } from "../../../src/platform/read-bounded.ts";

function bodyOf(chunks: Iterable<Uint8Array>, cancel = () => {}): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream(
    {
      pull(controller) {
        const { done, value } = iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}

const counted = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);

function* cut(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size);
}

describe("readBounded", () => {
  it.each([1, 3, 64, 999, 1_000])("reads 1,000 bytes in chunks of %d", async (size) => {
    const bytes = counted(1_000);
    expect(await readBounded(bodyOf(cut(bytes, size)), 1_000)).toEqual(bytes);
  });

  it("reads an empty and an absent body", async () => {
    expect(await readBounded(bodyOf([]), 1_000)).toEqual(new Uint8Array());
    expect(await readBounded(null, 1_000)).toEqual(new Uint8Array());
  });

  it("keeps no chunk: the runtime allocates 4 KiB for a single byte", async () => {
    function* reused() {
      const chunk = new Uint8Array(1);
      for (chunk[0] = 0; chunk[0] < 100; chunk[0]++) yield chunk;
    }
    const body = await readBounded(bodyOf(reused()), 1_000);
    expect(body).toEqual(counted(100));
    expect(body?.buffer.byteLength).toBeLessThanOrEqual(200);
  });

  it.each([
    ["cancel", 1],
    ["leave", 0],
  ] as const)("returns undefined for a longer body: %s", async (rest, cancelled) => {
    const cancel = vi.fn<() => void>();
    const body = bodyOf(cut(counted(1_001), 100), cancel);
    expect(await readBounded(body, 1_000, rest)).toBeUndefined();
    expect(cancel).toHaveBeenCalledTimes(cancelled);
    expect(body.locked).toBe(false);
  });

  it("throws if the body breaks off", async () => {
    const body = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error("broken")) });
    await expect(readBounded(body, 1_000)).rejects.toThrow("broken");
  });
});
