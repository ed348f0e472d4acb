import { afterEach, describe, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

const upstream = { id: "eu", apiBase: "https://api.example", uploadHosts: [], credential: {} } as unknown as Upstream;

afterEach(() => vi.unstubAllGlobals());

describe("StreamApi.deleteVideo", () => {
  it.each([
    ["the documented error", [{ code: 10003, message: "Not Found" }], true],
    ["an error without a message", [{ code: 10003 }], true],
    ["an error whose message is null", [{ code: 10003, message: null }], true],
    ["a second error without a message", [{ code: 10003, message: "Not Found" }, { code: 1 }], true],
    ["another error", [{ code: 10005, message: "Bad Request" }], false],
    ["no error", [], false],
  ])("reports whether the video is gone after a 404 with %s", async (_, errors, gone) => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ success: false, errors }, { status: 404 })));
    const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: true, onRateLimited: async () => {} });
    expect(await createStreamApi(client, false).deleteVideo(upstream, "0".repeat(32))).toBe(gone);
  });
});
