import { afterEach, describe, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const UID = "0".repeat(32);

afterEach(() => vi.unstubAllGlobals());

describe("StreamApi.video", () => {
  it.each([
    [UID, UID],
    ["1".repeat(32), undefined],
  ])("returns no other video, which may be another tenant's: %s", async (uid, returned) => {
    const result = { uid, status: { state: "pendingupload" } };
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ success: true, result })));
    const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: true, onRateLimited: async () => {} });
    const video = await createStreamApi(client, false).video(upstreamFixture(), UID);
    expect(video && "json" in video ? video.json["uid"] : undefined).toBe(returned);
  });
});
