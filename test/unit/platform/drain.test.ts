import { ReadableStream as ByteStream, type ReadableByteStreamController } from "node:stream/web";
import { describe, expect, it, vi } from "vitest";
import { drain } from "../../../src/platform/drain.ts";

const LIMITS = { maxBytes: 1_000, maxMilliseconds: 60_000 };

interface Source {
  pull?(controller: ReadableByteStreamController): void | Promise<void>;
  cancel?(): void;
}

/** A stream of bytes, as the runtime makes them of requests. */
function streamOf(source: Source): ReadableStream<Uint8Array> {
  return new ByteStream({ type: "bytes", ...source });
}

function bodyOf(chunks: number, cancel = () => {}): ReadableStream<Uint8Array> {
  let left = chunks;
  return streamOf({
    pull(controller) {
      if (left-- > 0) return controller.enqueue(new Uint8Array(100));
      controller.close();
      (controller.byobRequest as ReadableStreamBYOBRequest | undefined)?.respond(0);
    },
    cancel,
  });
}

describe("drain", () => {
  it("reads a body to its end", async () => {
    const cancel = vi.fn<() => void>();
    const body = bodyOf(5, cancel);
    await drain(body, LIMITS);
    expect(await body.getReader().read()).toEqual({ done: true, value: undefined });
    expect(cancel).not.toHaveBeenCalled();
  });

  it("stops at maxBytes and cancels the rest", async () => {
    const cancel = vi.fn<() => void>();
    await drain(bodyOf(11, cancel), LIMITS);
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("stops after maxMilliseconds", async () => {
    const cancel = vi.fn<() => void>();
    await drain(streamOf({ cancel }), { ...LIMITS, maxMilliseconds: 10 });
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("ends when the client closes the connection", async () => {
    const body = streamOf({ pull: () => Promise.reject(new Error("Network connection lost.")) });
    expect(await drain(body, LIMITS)).toBeUndefined();
  });

  it("leaves a body alone that is being read", async () => {
    const body = bodyOf(1);
    const reader = body.getReader();
    await drain(body, LIMITS);
    expect((await reader.read()).value).toHaveLength(100);
  });
});
