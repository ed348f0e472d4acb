import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { playbackUrls } from "../../../src/core/playback/rules/playback-urls.ts";

const UID = "ea95132c15732412d22c1476fa83f27a";
const TOKEN = "eyJ.eyJ.c2ln";
const HOST = "https://customer-f33zs165nr7gyfy4.cloudflarestream.com";

const hlsOf = (hls: unknown, allowLoopback = false) =>
  playbackUrls({ playback: { hls } }, UID, TOKEN, allowLoopback).hls;

describe("playbackUrls", () => {
  it("has the token in the place of the uid", () => {
    const video = {
      playback: { hls: `${HOST}/${UID}/manifest/video.m3u8`, dash: `${HOST}/${UID}/manifest/video.mpd` },
      thumbnail: `${HOST}/${UID}/thumbnails/thumbnail.jpg`,
    };
    expect(playbackUrls(video, UID, TOKEN, false)).toEqual({
      hls: `${HOST}/${TOKEN}/manifest/video.m3u8`,
      dash: `${HOST}/${TOKEN}/manifest/video.mpd`,
      iframe: `${HOST}/${TOKEN}/iframe`,
      thumbnail: `${HOST}/${TOKEN}/thumbnails/thumbnail.jpg`,
    });
  });

  it("leaves out what was not reported, and guesses nothing", () => {
    expect(playbackUrls({}, UID, TOKEN, false)).toEqual({});
    expect(playbackUrls({ thumbnail: `${HOST}/${UID}/thumbnails/thumbnail.jpg` }, UID, TOKEN, false)).toEqual({
      thumbnail: `${HOST}/${TOKEN}/thumbnails/thumbnail.jpg`,
    });
    expect(playbackUrls({ playback: { dash: `${HOST}/${UID}/x.mpd` } }, UID, TOKEN, false)).toEqual({
      dash: `${HOST}/${TOKEN}/x.mpd`,
      iframe: `${HOST}/${TOKEN}/iframe`,
    });
  });

  it("takes the apex, and drops query and fragment", () => {
    expect(hlsOf(`https://cloudflarestream.com/${UID}/v.m3u8?a=b#c`)).toBe(
      `https://cloudflarestream.com/${TOKEN}/v.m3u8`,
    );
  });

  it.each([
    `https://evil.example/${UID}/v.m3u8`,
    `https://cloudflarestream.com.evil.example/${UID}/v.m3u8`,
    `https://evilcloudflarestream.com/${UID}/v.m3u8`,
    `https://cloudflarestream.com@evil.example/${UID}/v.m3u8`,
    `https://user@cloudflarestream.com/${UID}/v.m3u8`,
    `https://user:password@x.cloudflarestream.com/${UID}/v.m3u8`,
    `https://x.cloudflarestream.com:8443/${UID}/v.m3u8`,
    `http://x.cloudflarestream.com/${UID}/v.m3u8`,
    `http://127.0.0.1/${UID}/v.m3u8`,
    `https://localhost/${UID}/v.m3u8`,
    `https://evil.example\\.cloudflarestream.com/${UID}/v.m3u8`,
    `${HOST}/v.m3u8`,
    `${HOST}/${UID}x/v.m3u8`,
    `${HOST}/${UID}/${UID}/v.m3u8`,
    `${HOST}/?uid=${UID}`,
    `${HOST}/${UID.toUpperCase()}/v.m3u8`,
    `javascript:alert("${UID}")`,
    "no URL",
    1,
    null,
    { toString: () => HOST },
  ])("leaves out %s", (url) => {
    expect(hlsOf(url)).toBeUndefined();
  });

  it.each(["http://127.0.0.1:8788", "http://localhost:8788", "https://[::1]"])(
    "takes %s only in development",
    (origin) => {
      expect(hlsOf(`${origin}/${UID}/v.m3u8`, true)).toBe(`${origin}/${TOKEN}/v.m3u8`);
      expect(hlsOf(`${origin}/${UID}/v.m3u8`)).toBeUndefined();
    },
  );

  it("gives the token to no other host", () => {
    const part = fc.constantFrom(
      "https:",
      "http:",
      "//",
      "/",
      "\\",
      "@",
      ":",
      ".",
      "?",
      "#",
      "evil.example",
      "cloudflarestream.com",
      "%2f",
      UID,
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const url = hlsOf(`https://${parts.join("")}/${UID}/x`);
        if (url === undefined) return;
        const { protocol, host, username } = new URL(url);
        expect([protocol, username]).toEqual(["https:", ""]);
        expect(`.${host}`).toMatch(/\.cloudflarestream\.com$/);
      }),
      { numRuns: 2_000 },
    );
  });
});
