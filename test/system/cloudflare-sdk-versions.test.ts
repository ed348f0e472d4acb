import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Cloudflare from "cloudflare";
import Cloudflare5 from "cloudflare-5";
import Cloudflare6 from "cloudflare-6";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { metadataHeader } from "../support/metadata.ts";
import { READY_SECONDS, readyVideo, shortVideo } from "../support/ready-video.ts";

/** Every method that the gateway offers, called by Cloudflare's SDK of today and of two majors before. */

type Stream = Cloudflare["stream"];

const CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";
const WATERMARK = "ea95132c15732412d22c1476fa83f27a";
const POLICY = {
  creator: { from: "client" },
  metadata: { watermark: { oneOf: [WATERMARK] } },
  custom: { season: {} },
  playback: { downloadable: true },
};

let harness: TestGateway;
let source: { readonly url: string; close(): void };

beforeAll(async () => {
  harness = await startTestGateway();
  source = await serve(await shortVideo());
});
afterAll(async () => {
  source.close();
  await harness.stop();
});

const VERSIONS: readonly [string, (apiToken: string) => Stream][] = [
  ["7", (apiToken) => new Cloudflare({ apiToken, ...options() }).stream],
  ["6", (apiToken) => asNewest(new Cloudflare6({ apiToken, ...options() }).stream)],
  ["5", (apiToken) => asNewest(new Cloudflare5({ apiToken, ...options() }).stream)],
];
/** Since version 7, the identifier of a video with captions is one of the parameters. */
function asNewest(stream: Cloudflare5["stream"] | Cloudflare6["stream"]): Stream {
  const { language } = stream.captions;
  type Call = (identifier: string, language: string, params: object) => unknown;
  const newest =
    (call: Call) =>
    (tag: string, { identifier, ...params }: { identifier: string }) =>
      call(identifier, tag, params);
  for (const name of ["update", "get", "delete"] as const)
    Object.assign(language, { [name]: newest(language[name].bind(language) as Call) });
  Object.assign(language.vtt, { get: newest(language.vtt.get.bind(language.vtt) as Call) });
  return stream as unknown as Stream;
}
const options = () => ({ baseURL: `${harness.url}/client/v4`, maxRetries: 0 });

describe.each(VERSIONS)("Cloudflare's SDK %s", (version, clientOf) => {
  const account_id = `sdk-${version}`;
  const ofTenant = { account_id };
  let stream: Stream;
  let uid: string;

  beforeAll(async () => {
    const key = await harness.tenant(account_id, { policy: POLICY });
    stream = clientOf(key);
    uid = await readyVideo(harness, account_id, key, { "Upload-Metadata": metadataHeader({ name: "Cats" }) });
  });

  it("creates, lists, reads and deletes videos", async () => {
    const { uid: made = "", uploadURL } = await stream.directUpload.create({ ...ofTenant, maxDurationSeconds: 60 });
    expect(uploadURL).toMatch(/^http/);
    const upload = { "Tus-Resumable": "1.0.0", "Upload-Length": 5, "Upload-Metadata": metadataHeader({ name: "a" }) };
    const created = await stream.create({ ...ofTenant, ...upload } as Parameters<Stream["create"]>[0]).asResponse();
    expect([created.status, created.headers.get("location")]).toEqual([201, expect.stringMatching(/^http/)]);
    const listed = [];
    for await (const video of stream.list(ofTenant)) listed.push(video.uid);
    expect(listed).toEqual([created.headers.get("stream-media-id"), made, uid]);
    expect(await stream.get(made, ofTenant)).toMatchObject({ uid: made, status: { state: "pendingupload" } });
    await stream.delete(made, ofTenant);
    await expect(stream.get(made, ofTenant)).rejects.toMatchObject({ status: 404 });
    expect(await stream.videos.storageUsage(ofTenant)).toMatchObject({ videoCount: 1 });
  });

  it("makes a playback token", async () => {
    const { token = "" } = await stream.token.create(uid, { ...ofTenant, exp: Math.floor(Date.now() / 1000) + 600 });
    const [, claims = ""] = token.split(".");
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ sub: uid });
    expect(await stream.token.create(uid, ofTenant)).toMatchObject({ token: expect.any(String) });
  });

  it("edits a video", async () => {
    const edited = await stream.edit(uid, { ...ofTenant, meta: { name: "Dogs", season: 2 } });
    expect(edited).toMatchObject({ uid, meta: { name: "Dogs", season: "2" } });
    expect(await stream.get(uid, ofTenant)).toMatchObject({ meta: { name: "Dogs", season: "2" } });
  });

  it("copies a video from a URL, and clips it", async () => {
    const copied = await stream.copy.create({ ...ofTenant, url: source.url, meta: { name: "Copied" } });
    expect(copied).toMatchObject({ uid: expect.any(String), meta: { name: "Copied" } });
    await expect
      .poll(async () => (await stream.get(copied.uid ?? "", ofTenant)).readyToStream, { timeout: 10_000 })
      .toBe(true);
    const clip = { clippedFromVideoUID: uid, startTimeSeconds: 0, endTimeSeconds: READY_SECONDS - 1 };
    const clipped = await stream.clip.create({ ...ofTenant, ...clip });
    expect(clipped).toMatchObject({ uid: expect.any(String) });
    expect(clipped.uid).not.toBe(uid);
  });

  it("adds, lists, reads and deletes captions", async () => {
    const english = { ...ofTenant, identifier: uid };
    expect(await stream.captions.language.update("en", { ...english, file: CAPTIONS })).toMatchObject({
      language: "en",
    });
    const listed = [];
    for await (const caption of stream.captions.get(uid, ofTenant)) listed.push(caption.language);
    expect(listed).toEqual(["en"]);
    expect(await stream.captions.language.get("en", english)).toMatchObject({ label: "English" });
    const text = await stream.captions.language.vtt.get("en", english);
    // Forms end the lines of a text with CR and LF.
    expect(text.replaceAll("\r\n", "\n")).toBe(CAPTIONS);
    await stream.captions.language.delete("en", english);
    await expect(stream.captions.language.get("en", english)).rejects.toMatchObject({ status: 404 });
  });

  it("makes, reads and deletes downloads", async () => {
    expect(await stream.downloads.create(uid, ofTenant)).toMatchObject({ default: { status: expect.any(String) } });
    await expect
      .poll(() => stream.downloads.get(uid, ofTenant), { timeout: 10_000 })
      .toMatchObject({ default: { status: "ready" } });
    await stream.downloads.delete(uid, ofTenant);
    expect(await stream.downloads.get(uid, ofTenant)).toEqual({});
  });

  it("lists and reads watermarks", async () => {
    const listed = [];
    for await (const profile of stream.watermarks.list(ofTenant)) listed.push(profile.uid);
    expect(listed).toEqual([WATERMARK]);
    expect(await stream.watermarks.get(WATERMARK, ofTenant)).toMatchObject({ uid: WATERMARK });
  });

  it("is told what is not offered, once", async () => {
    const patient = stream.embed.get(uid, ofTenant, { maxRetries: 2 });
    await expect(patient).rejects.toMatchObject({ status: 501 });
    await expect(stream.liveInputs.list(ofTenant)).rejects.toMatchObject({ status: 501 });
    await expect(stream.keys.create(ofTenant)).rejects.toMatchObject({ status: 501 });
  });
});

/** Serves a file at a URL that Stream can copy from. */
async function serve(file: Buffer): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "video/mp4", "Content-Length": file.byteLength });
    response.end(request.method === "HEAD" ? undefined : file);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/cats.mp4`, close: () => void server.close() };
}
