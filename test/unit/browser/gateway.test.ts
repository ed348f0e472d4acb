import { afterEach, describe, expect, it, vi } from "vitest";
import { cancelAtGateway, gatewayOf, newKey } from "../../../src/browser/gateway.ts";

const MIB = 1024 * 1024;
const options = { endpoint: "https://gateway.example/v1/acme/uploads", getGrant: () => "g" };

describe("gatewayOf", () => {
  it.each([5 * MIB, 5.25 * MIB, 50 * MIB, 200 * MIB])("accepts chunks of %d bytes", (chunkSize) => {
    expect(gatewayOf({ ...options, chunkSize }).chunkSize).toBe(chunkSize);
  });

  it.each([0, MIB, 5 * MIB - 1, 5 * MIB + 1, 200.25 * MIB, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses chunks of %d bytes, which Stream does not accept",
    (chunkSize) => {
      expect(() => gatewayOf({ ...options, chunkSize })).toThrow(/5 to 200 MiB, in multiples of 256 KiB/);
    },
  );

  it("has a chunk size that Stream accepts by default", () => {
    const { chunkSize } = gatewayOf(options);
    expect(gatewayOf({ ...options, chunkSize }).chunkSize).toBe(50 * MIB);
  });
});

describe("cancelAtGateway", () => {
  afterEach(() => void vi.unstubAllGlobals());

  async function cancel(...answers: (number | Error)[]) {
    vi.useFakeTimers();
    const requests: [string, RequestInit][] = [];
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      requests.push([url, init]);
      const answer = answers.shift() ?? 200;
      if (answer instanceof Error) throw answer;
      return new Response(JSON.stringify({ code: `code_${answer}` }), { status: answer });
    });
    const gateway = gatewayOf<never>({ ...options, headers: { "X-My-App": "1" } });
    const result = cancelAtGateway(gateway, { id: "u-1", grant: "g-1" }).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    vi.useRealTimers();
    return { error: await result, requests };
  }

  it("deletes the upload with its grant", async () => {
    const { error, requests } = await cancel(200);
    expect(error).toBeUndefined();
    expect(requests).toEqual([
      [
        "https://gateway.example/v1/acme/uploads/u-1",
        { method: "DELETE", headers: { "X-My-App": "1", Authorization: "Bearer g-1" }, keepalive: true },
      ],
    ]);
  });

  it("counts an upload that is gone as cancelled", async () => {
    expect((await cancel(404)).error).toBeUndefined();
  });

  it("tries again while the gateway is ill or out of reach", async () => {
    const { error, requests } = await cancel(503, new TypeError("Failed to fetch"), 429, 200);
    expect(error).toBeUndefined();
    expect(requests).toHaveLength(4);
  });

  it("gives up in the end", async () => {
    const { error, requests } = await cancel(503, 503, 503, 503, 200);
    expect(error).toMatchObject({ code: "code_503", status: 503 });
    expect(requests).toHaveLength(4);
  });

  it("says at once that the upload is finished", async () => {
    const { error, requests } = await cancel(403);
    expect(error).toMatchObject({ code: "code_403", status: 403 });
    expect(requests).toHaveLength(1);
  });
});

describe("newKey", () => {
  it("is an Idempotency-Key of its own each time", () => {
    expect(newKey()).toMatch(/^[\d-]{7,43}$/);
    expect(newKey()).not.toBe(newKey());
  });
});
