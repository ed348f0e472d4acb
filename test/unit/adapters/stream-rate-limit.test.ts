import { afterEach, describe, expect, it, vi } from "vitest";
import { type StreamClient, createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { createStreamWebhooks } from "../../../src/adapters/stream/webhooks.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import type { DirectUpload } from "../../../src/core/uploads/rules/direct-upload.ts";

const upstream = { id: "eu", apiBase: "https://api.example", uploadHosts: [], credential: {} } as unknown as Upstream;
const UID = "0".repeat(32);

afterEach(() => vi.unstubAllGlobals());

type Call = (client: StreamClient) => Promise<unknown>;
const getVideo: Call = (client) => createStreamApi(client, false).video(upstream, UID);

/** Makes one call to a Stream that gives this answer. @returns the seconds of each reported rate limit */
async function reportsOf(answer: ResponseInit & { readonly body?: string }, call = getVideo): Promise<number[]> {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(answer.body ?? null, answer)));
  const reports: number[] = [];
  const onRateLimited = async (_: Upstream, seconds: number) => void reports.push(seconds);
  await call(createStreamClient({ deadlineMs: 1_000, allowLoopback: true, onRateLimited }));
  return reports;
}

describe("createStreamClient", () => {
  it.each<[Record<string, string>, number[]]>([
    [{ "retry-after": "60" }, [60]],
    [{ "retry-after": "999999" }, [300]],
    [{ "retry-after": "Wed, 25 Nov 2026 00:00:00 GMT" }, [300]],
    [{}, [300]],
  ])("reports a 429 with %j for at most the length of Cloudflare's block", async (headers, seconds) => {
    expect(await reportsOf({ status: 429, headers })).toEqual(seconds);
  });

  it.each<[Record<string, string>, number[]]>([
    [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "42" }, [42]],
    [{ "x-ratelimit-remaining": "1", "x-ratelimit-reset": "42" }, []],
    [{}, []],
  ])("reports a success with %j only when no call is left", async (headers, seconds) => {
    expect(await reportsOf({ status: 200, headers })).toEqual(seconds);
  });

  it.each<[string, Call]>([
    ["creation", (client) => createStreamApi(client, false).create(upstream, { length: 1, metadata: "" })],
    ["basic link", (client) => createStreamApi(client, false).createDirect(upstream, {} as DirectUpload)],
    ["video", getVideo],
    ["list", (client) => createStreamApi(client, false).listVideosFrom(upstream, 0, 10)],
    ["deletion", (client) => createStreamApi(client, false).deleteVideo(upstream, UID)],
    ["webhook", (client) => createStreamWebhooks(client).current(upstream)],
    ["webhook registration", (client) => createStreamWebhooks(client).register(upstream, "https://a.example")],
  ])("reports a limited %s once", async (_, call) => {
    expect(await reportsOf({ status: 429, headers: { "retry-after": "17" } }, call)).toEqual([17]);
  });

  it.each([
    ["queue", { code: 10005, message: "Too many videos queued or encoding" }],
    ["storage", { code: 10011, message: "Storage capacity exceeded" }],
  ])("does not take a creation's 429 for a full %s as the rate limit, but a read's", async (_, message) => {
    const body = JSON.stringify({ success: false, errors: [message], messages: [] });
    const create: Call = (client) => createStreamApi(client, false).create(upstream, { length: 1, metadata: "" });
    expect(await reportsOf({ status: 429, body }, create)).toEqual([]);
    expect(await reportsOf({ status: 429, body }, getVideo)).toEqual([300]);
  });
});
