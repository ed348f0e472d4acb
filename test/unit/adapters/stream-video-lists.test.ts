import { afterEach, describe, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const UID = "0".repeat(32);
const NOON = 1_795_867_200;
const upstream = upstreamFixture();
const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: false, onRateLimited: async () => {} });
const api = createStreamApi(client, false);

function answerWith(body: string, status = 200) {
  const fetch = vi.fn<typeof globalThis.fetch>(async () => new Response(body, { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

const listOf = (...result: unknown[]) => JSON.stringify({ success: true, result });

afterEach(() => vi.unstubAllGlobals());

describe("StreamApi.listVideosFrom", () => {
  it("asks for the videos of whole seconds", async () => {
    const fetch = answerWith(listOf());
    await api.listVideosFrom(upstream, NOON, 5, { before: NOON + 60 });
    const query = new URL(String(fetch.mock.calls[0]?.[0])).searchParams;
    const after = Date.parse(query.get("after") ?? "");
    expect(after).toBeLessThan(NOON * 1_000);
    // A video of the second before has been compared.
    expect(after).toBeGreaterThanOrEqual(NOON * 1_000 - 10);
    expect(query.get("before")).toBe(new Date((NOON + 60) * 1_000).toISOString());
  });

  it("keeps the place of an item that is no video", async () => {
    const created = new Date(NOON * 1_000).toISOString();
    answerWith(listOf({ uid: UID, status: { state: "ready" } }, { uid: "../x", created }, null, 5));
    expect(await api.listVideosFrom(upstream, NOON, 4)).toEqual({
      videos: [
        expect.objectContaining({ report: { kind: "ready", uid: UID } }),
        { skipped: "../x", created: NOON },
        { skipped: "unknown" },
        { skipped: "unknown" },
      ],
      last: false,
    });
  });

  it.each([
    ["is longer than 8 MiB", `${listOf()}${" ".repeat(8 * 1024 * 1024)}`, 200, "unreadable"],
    ["is no JSON", "<html>", 200, "unreadable"],
    ["is empty", "", 200, "unreadable"],
    ["has no list", JSON.stringify({ result: {} }), 200, "unreadable"],
    ["is an error", listOf(), 503, undefined],
    ["is a refusal", listOf(), 429, undefined],
  ])("returns what it says when an answer %s", async (_, body, status, expected) => {
    answerWith(body, status);
    expect(await api.listVideosFrom(upstream, NOON, 5)).toBe(expected);
  });

  it("returns undefined when Stream cannot be reached", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("reset")));
    expect(await api.listVideosFrom(upstream, NOON, 5)).toBeUndefined();
  });
});
