import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readBody } from "../../../src/http/pipeline/request-body.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function requestWith(body: RequestInit["body"], headers: Record<string, string> = {}): Request {
  return new Request("https://sluice.example/", { method: "POST", headers, body, duplex: "half" } as RequestInit);
}

/** A body that sends a byte every second, for ever. */
const dripping = () =>
  new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      controller.enqueue(new Uint8Array(1));
    },
  });

describe("readBody", () => {
  it("returns the bytes", async () => {
    expect(await readBody(requestWith("{}"))).toEqual({ ok: true, value: new TextEncoder().encode("{}") });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses a body that Content-Length says is too large without reading it", async () => {
    const request = requestWith("{}", { "Content-Length": "65537" });
    expect(await readBody(request)).toMatchObject({ problem: { code: "body_too_large" } });
    expect(request.bodyUsed).toBe(false);
  });

  it("reads 64 KiB and not a byte more", async () => {
    expect(await readBody(requestWith(new Uint8Array(65_536)))).toMatchObject({ ok: true });
    expect(await readBody(requestWith(new Uint8Array(65_537)))).toMatchObject({ problem: { code: "body_too_large" } });
  });

  it("stops after 10 seconds, and leaves the body locked", async () => {
    const request = requestWith(dripping());
    const read = readBody(request);
    const settled = vi.fn<() => void>();
    void read.then(settled);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(settled).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await read).toMatchObject({ problem: { code: "body_timeout" } });
    expect(request.body?.locked).toBe(true);
  });

  it.each([new Error("Network connection lost."), new TypeError("Can't read from request stream.")])(
    "returns client_closed if the body breaks off: %s",
    async (error) => {
      const body = new ReadableStream({ start: (controller) => controller.error(error) });
      expect(await readBody(requestWith(body))).toMatchObject({ problem: { code: "client_closed" } });
    },
  );

  it("throws if the body was read before: a bug of the gateway", async () => {
    const request = requestWith("{}");
    await request.text();
    await expect(readBody(request)).rejects.toThrow("read before");
  });
});
