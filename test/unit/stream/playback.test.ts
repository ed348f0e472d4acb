import { describe, expect, it } from "vitest";
import { playbackOf } from "../../../src/core/stream/rules/playback.ts";

const HLS = "https://customer-f33z.cloudflarestream.com/v/manifest/video.m3u8";
const DASH = "https://customer-f33z.cloudflarestream.com/v/manifest/video.mpd";

describe("playbackOf", () => {
  it.each([
    [{}, {}],
    [{ playback: { hls: HLS, dash: DASH } }, { playback: { hls: HLS, dash: DASH } }],
    [{ playback: { hls: HLS } }, { playback: { hls: HLS } }],
    [{ playback: {} }, {}],
    [{ playback: null, thumbnail: "", input: [] }, {}],
    [{ thumbnail: "https://t.example/1.jpg" }, { thumbnail: "https://t.example/1.jpg" }],
    [{ input: { width: 640, height: 360 } }, { input: { width: 640, height: 360 } }],
    [{ input: { width: -1, height: -1 } }, {}],
    [{ input: { width: 1e300, height: 360 } }, {}],
    [{ input: { width: "640", height: 360 } }, {}],
    [
      { playback: { hls: "javascript:alert(1)", dash: DASH }, thumbnail: `https://t.example/${"a".repeat(10_000)}` },
      {
        playback: { dash: DASH },
      },
    ],
    [{ requireSignedURLs: true }, { signed: true }],
    [{ requireSignedURLs: false }, {}],
  ])("reads from %j: %j", (video, expected) => {
    expect(playbackOf(video)).toEqual(expected);
  });
});
