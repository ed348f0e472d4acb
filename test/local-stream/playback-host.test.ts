import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SignJWT, importJWK } from "jose";
import type { JWK } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { inspectFile } from "../../src/local-stream/processing.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type Browser, startBrowser } from "../support/browser.ts";
import { tmpFolder, videoFile } from "../support/files.ts";

/** The playback host: what it serves, and to whom. */

const SECONDS = 2;
const HOUR_SECONDS = 3_600;
const FILE = "video/original.mp4";
const RENDITION = "video/rendition.mp4";
const PATHS = [
  ["manifest/video.m3u8", "application/x-mpegURL"],
  ["manifest/video.mpd", "application/dash+xml"],
  ["thumbnails/thumbnail.jpg", "image/jpeg"],
  ["iframe", "text/html; charset=utf-8"],
  ["watch", "text/html; charset=utf-8"],
  [FILE, "video/mp4"],
  [RENDITION, "video/mp4"],
] as const;

const folder = tmpFolder();
const path = videoFile({ seconds: SECONDS });
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let file: Buffer;

beforeAll(async () => {
  stream = await startLocalStream();
  client = createStreamClient(stream);
  file = await readFile(path);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

/** Uploads a video, and waits until it is ready. */
async function readyVideo(metadata: Record<string, string | null> = {}): Promise<string> {
  const uid = await client.upload(file, metadata);
  await stream.settled(uid);
  return uid;
}
const signedVideo = () => readyVideo({ requiresignedurls: null });
const watch = (name: string, below: string = "watch", init: RequestInit = {}) =>
  fetch(`${stream.url}/${name}/${below}`, init);
const statusOf = async (name: string, below?: string, headers: Record<string, string> = {}) =>
  (await watch(name, below, { headers })).status;
const now = () => Math.floor(Date.now() / 1_000);

async function tokenFor(uid: string, body?: object): Promise<string> {
  return (await client.api<{ token: string }>("POST", `/${uid}/token`, body)).result.token;
}

describe("a video that needs no token", () => {
  it.each(PATHS)("is served at /:uid/%s, to any page", async (below, type) => {
    const uid = await readyVideo();
    const answer = await watch(uid, below);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe(type);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(0);
  });

  it("is described with URLs that this host serves", async () => {
    const uid = await readyVideo();
    const { thumbnail, preview, playback } = await stream.settled(uid);
    for (const url of [thumbnail, preview, playback.hls, playback.dash]) {
      expect(url).toMatch(`${stream.url}/${uid}/`);
      expect((await fetch(url)).status).toBe(200);
    }
  });

  it("has manifests of one segment, a fragmented MP4", async () => {
    const uid = await readyVideo();
    const rendition = Buffer.from(await (await watch(uid, RENDITION)).arrayBuffer());
    const init = rendition.indexOf("moof") - 4;
    const playlist = await (await watch(uid, "manifest/video.m3u8")).text();
    expect(playlist.split("\n")).toEqual([
      "#EXTM3U",
      "#EXT-X-VERSION:7",
      "#EXT-X-PLAYLIST-TYPE:VOD",
      `#EXT-X-TARGETDURATION:${SECONDS}`,
      `#EXT-X-MAP:URI="../${RENDITION}",BYTERANGE="${init}@0"`,
      `#EXTINF:${SECONDS},`,
      `#EXT-X-BYTERANGE:${rendition.byteLength - init}@${init}`,
      `../${RENDITION}`,
      "#EXT-X-ENDLIST",
      "",
    ]);
    const manifest = await (await watch(uid, "manifest/video.mpd")).text();
    expect(manifest).toContain(`<BaseURL>../${RENDITION}</BaseURL>`);
    expect(manifest).toContain(`mediaRange="${init}-${rendition.byteLength - 1}"`);
    expect(Buffer.from(await (await watch(uid, FILE)).arrayBuffer())).toEqual(file);
  });

  it("plays the part of a clip, also after its parent is deleted", async () => {
    const uid = await readyVideo();
    const body = { clippedFromVideoUID: uid, startTimeSeconds: 1, endTimeSeconds: SECONDS };
    const clip = (await client.api<{ uid: string }>("POST", "/clip", body)).result.uid;
    await stream.settled(clip);
    await client.api("DELETE", `/${uid}`);
    expect(await statusOf(clip)).toBe(200);
    expect(await (await watch(clip, "manifest/video.m3u8")).text()).toContain("#EXTINF:1,");
    const path = join(folder, "clip.mp4");
    await writeFile(path, Buffer.from(await (await watch(clip, RENDITION)).arrayBuffer()));
    expect(await inspectFile(path)).toMatchObject({ kind: "video", duration: 1 });
  });

  it("is played by a page that shows its name as text", async () => {
    const page = await (await watch(await readyVideo({ name: `<script>"&'` }))).text();
    expect(page).toContain("<title>&#60;script&#62;&#34;&#38;&#39;</title>");
    expect(page).toContain(`src="${FILE}"`);
  });

  it.each([
    ["bytes=0-9", 206, 0, 9],
    ["bytes=10-", 206, 10, undefined],
    ["bytes=-5", 206, -5, undefined],
    ["bytes=0-999999999", 206, 0, undefined],
    ["bytes=9-1", 200, 0, undefined],
    ["bytes=0-1,3-4", 200, 0, undefined],
    ["lines=1-2", 200, 0, undefined],
  ])("answers the range %s with %i", async (range, status, start, last) => {
    const answer = await watch(await readyVideo(), FILE, { headers: { Range: range } });
    const expected = file.subarray(start, last === undefined ? undefined : last + 1);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-length")).toBe(String(expected.byteLength));
    const first = start < 0 ? file.byteLength + start : start;
    const contentRange = `bytes ${first}-${first + expected.byteLength - 1}/${file.byteLength}`;
    expect(answer.headers.get("content-range")).toBe(status === 206 ? contentRange : null);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(expected);
  });

  it.each(["bytes=999999999-", "bytes=-0"])("refuses the range %s, which is beyond its end", async (range) => {
    const answer = await watch(await readyVideo(), FILE, { headers: { Range: range } });
    expect([answer.status, answer.headers.get("content-range")]).toEqual([416, `bytes */${file.byteLength}`]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("answers HEAD and a preflight, and no other method", async () => {
    const uid = await readyVideo();
    const head = await watch(uid, FILE, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(file.byteLength)]);
    const preflight = await watch(uid, FILE, { method: "OPTIONS" });
    expect([preflight.status, preflight.headers.get("access-control-allow-headers")]).toEqual([204, "Range"]);
    expect((await watch(uid, FILE, { method: "POST" })).status).toBe(405);
  });

  it("is downloaded once the MP4 has been made", async () => {
    const uid = await readyVideo();
    expect(await statusOf(uid, "downloads/default.mp4")).toBe(404);
    await client.api("POST", `/${uid}/downloads`);
    stream.advance(1_000);
    const answer = await watch(uid, "downloads/default.mp4");
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(file);
  });

  it("is not found before it is ready, after its deletion, and below other paths", async () => {
    const { uid: pending } = await client.createUpload(1);
    const uid = await readyVideo();
    expect(await statusOf(pending)).toBe(404);
    expect(await statusOf("0".repeat(32))).toBe(404);
    expect(await statusOf(uid, "manifest/other.m3u8")).toBe(404);
    await client.api("DELETE", `/${uid}`);
    expect(await statusOf(uid)).toBe(404);
  });
});

describe("a video that requires signed URLs", () => {
  it.each(PATHS)("is served at /:token/%s, and not by its uid", async (below) => {
    const uid = await signedVideo();
    const refused = await watch(uid, below);
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "*"]);
    expect(await statusOf(await tokenFor(uid), below)).toBe(200);
  });

  it("accepts a token that the account signed itself, until its key is deleted", async () => {
    const uid = await signedVideo();
    const { id, jwk } = (await client.api<{ id: string; jwk: string }>("POST", "/keys")).result;
    const key = await importJWK(JSON.parse(Buffer.from(jwk, "base64").toString("utf8")) as JWK, "RS256");
    const sign = (claims: Record<string, unknown>, header = {}) =>
      new SignJWT({ sub: uid, kid: id, exp: now() + 60, ...claims })
        .setProtectedHeader({ alg: "RS256", kid: id, ...header })
        .sign(key);
    const token = await sign({});
    expect(await statusOf(token)).toBe(200);
    const block = { type: "ip.geoip.country", action: "block", country: ["US"] };
    expect(await statusOf(await sign({ accessRules: [block], downloadable: false }))).toBe(200);
    for (const broken of [
      { exp: undefined },
      { exp: now() + 25 * HOUR_SECONDS },
      { kid: undefined },
      { kid: "another" },
      { downloadable: "true" },
      { accessRules: {} },
      { accessRules: [null] },
      { accessRules: [block, block, block, block, block, block] },
      { accessRules: [{ ...block, country: ["us"] }] },
      { accessRules: [{ type: "ip.src", action: "block", ip: ["1.2.3.4/99"] }] },
    ])
      expect([broken, await statusOf(await sign(broken))]).toEqual([broken, 401]);
    expect(await statusOf(await sign({}, { kid: "another" }))).toBe(401);
    expect(await statusOf(await sign({ sub: "0".repeat(32) }))).toBe(404);
    expect(await statusOf(`${token.slice(0, -20)}${"A".repeat(20)}`)).toBe(401);
    expect(await statusOf("a.b.c")).toBe(401);
    await client.api("DELETE", `/keys/${id}`);
    expect(await statusOf(token)).toBe(401);
  });

  it("is served from a token's nbf to its exp", async () => {
    const token = await tokenFor(await signedVideo(), { nbf: now() + HOUR_SECONDS, exp: now() + 2 * HOUR_SECONDS });
    expect(await statusOf(token)).toBe(401);
    stream.advance((HOUR_SECONDS + 1) * 1_000);
    expect(await statusOf(token)).toBe(200);
    stream.advance(HOUR_SECONDS * 1_000);
    expect(await statusOf(token)).toBe(401);
  });

  it("follows the first access rule that matches", async () => {
    const uid = await signedVideo();
    const token = await tokenFor(uid, {
      accessRules: [
        { type: "ip.src", action: "block", ip: ["203.0.113.0/24", "2001:db8::/32"] },
        { type: "ip.geoip.country", action: "allow", country: ["DE", "FR"] },
        { type: "any", action: "block" },
      ],
    });
    const from = (ip: string, country: string) => ({ "CF-Connecting-IP": ip, "CF-IPCountry": country });
    expect(await statusOf(token, "watch", from("198.51.100.1", "FR"))).toBe(200);
    expect(await statusOf(token, "watch", from("203.0.113.9", "DE"))).toBe(403);
    expect(await statusOf(token, "watch", from("2001:db8::1", "DE"))).toBe(403);
    expect(await statusOf(token, "watch", from("198.51.100.1", "US"))).toBe(403);
    expect(await statusOf(token)).toBe(403);
    const local = [{ type: "ip.src", action: "block", ip: ["127.0.0.0/8"] }];
    expect(await statusOf(await tokenFor(uid, { accessRules: local }))).toBe(403);
  });

  it("is downloaded with a token that allows it only", async () => {
    const uid = await signedVideo();
    await client.api("POST", `/${uid}/downloads`);
    stream.advance(1_000);
    const mp4 = "downloads/default.mp4";
    expect(await statusOf(uid, mp4)).toBe(401);
    expect(await statusOf(await tokenFor(uid), mp4)).toBe(403);
    expect(await statusOf(await tokenFor(uid, { downloadable: true }), mp4)).toBe(200);
  });

  it("is open again after an edit", async () => {
    const uid = await signedVideo();
    await client.api("POST", `/${uid}`, { requireSignedURLs: false });
    expect(await statusOf(uid)).toBe(200);
  });
});

describe("a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.stop());

  it.each(["manifest/video.m3u8", FILE])("plays a signed video to its end from /:token/%s", async (below) => {
    const url = `${stream.url}/${await tokenFor(await signedVideo())}/${below}`;
    const page = await browser.open();
    const played = page.evaluate(`new Promise((resolve) => {
      const video = document.createElement("video");
      video.muted = true;
      video.crossOrigin = "anonymous";
      video.onerror = () => resolve(video.error.message);
      video.onended = () => resolve(video.currentTime);
      video.src = "${url}";
      void video.play();
    })`);
    expect(await played).toBe(SECONDS);
  });
});

describe("a fault on the playback host", () => {
  it("refuses, delays or breaks one request", async () => {
    const uid = await readyVideo();
    stream.addFault({ on: "playback", kind: "status", status: 503 });
    stream.addFault({ on: "playback", kind: "latency", milliseconds: 200 });
    stream.addFault({ on: "playback", kind: "reset" });
    expect(await statusOf(uid)).toBe(503);
    const start = performance.now();
    expect(await statusOf(uid)).toBe(200);
    expect(performance.now() - start).toBeGreaterThan(150);
    await expect(statusOf(uid)).rejects.toThrow("fetch failed");
    expect(await statusOf(uid)).toBe(200);
  });
});
