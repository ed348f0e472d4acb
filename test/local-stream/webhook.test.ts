import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient, patch } from "../../src/local-stream/client.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { type LocalStream } from "../../src/local-stream/local-stream.ts";
import { videoFile } from "../support/files.ts";

const SECONDS = 2;
const MINUTE_MS = 60_000;

const videoPath = videoFile({ seconds: SECONDS });
let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let video: Buffer;

beforeAll(async () => {
  stream = await startLocalStream();
  client = createStreamClient(stream);
  video = await readFile(videoPath);
});
afterAll(() => stream.close());
beforeEach(() => stream.reset());

describe("account webhook", () => {
  let receiver: Server;
  const received: { signature: string; body: string }[] = [];
  let notificationUrl: string;

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        received.push({ signature: String(request.headers["webhook-signature"]), body });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    notificationUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  });
  afterAll(() => receiver.close());
  beforeEach(() => (received.length = 0));

  const register = async (url = notificationUrl) =>
    (await client.api<{ secret: string }>("PUT", "/webhook", { notificationUrl: url })).result.secret;

  it("is called for videos that are ready or failed, signed over the raw body", async () => {
    const secret = await register();
    const ready = await client.upload(video, { name: "é" }, "u1");
    await expect.poll(() => received.length).toBe(1);
    const failed = await client.upload(video, { maxdurationseconds: "1" });
    await expect.poll(() => received.length).toBe(2);
    for (const { signature, body } of received) {
      const [time, sig1] = /^time=(\d+),sig1=([0-9a-f]{64})$/.exec(signature)?.slice(1) ?? [];
      expect(sig1).toBe(createHmac("sha256", secret).update(`${time}.${body}`).digest("hex"));
    }
    expect(received.map(({ body }) => JSON.parse(body) as unknown)).toMatchObject([
      {
        uid: ready,
        creator: "u1",
        meta: { name: "é" },
        status: { state: "ready" },
        duration: SECONDS,
        readyToStream: true,
      },
      { uid: failed, status: { state: "error", errorReasonCode: "ERR_DURATION_EXCEED_CONSTRAINT" } },
    ]);
    expect(stream.deliveries()).toMatchObject([
      { uid: ready, status: 204 },
      { uid: failed, status: 204 },
    ]);
  });

  it("is not called for unfinished uploads, nor for videos deleted during processing", async () => {
    await register();
    const { location } = await client.createUpload(10_000_000);
    await patch(location, 0, new Uint8Array(5 * 1024 * 1024));
    stream.advance(31 * MINUTE_MS);
    await client.api("DELETE", `/${await client.upload(video)}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(received).toEqual([]);
  });

  it("gets a new secret with a new URL, and keeps it with the same URL", async () => {
    const secret = await register();
    expect(await register()).toBe(secret);
    expect(await register("http://127.0.0.1:9/")).not.toBe(secret);
    for (const body of [{}, { notificationUrl: "x" }, { notificationUrl: "ftp://a.example" }, "null"])
      expect((await client.api("PUT", "/webhook", body)).status).toBe(400);
  });

  it("may be down without any effect on the video", async () => {
    await register("http://127.0.0.1:9/");
    const uid = await client.upload(video);
    await expect.poll(() => stream.deliveries()).toMatchObject([{ uid, status: null }]);
    expect(await stream.settled(uid)).toMatchObject({ status: { state: "ready" } });
  });

  it("is called twice, late or never as faults demand", async () => {
    await register();
    for (const kind of ["lose", "repeat"] as const) stream.addFault({ on: "webhook", kind });
    stream.addFault({ on: "webhook", kind: "latency", milliseconds: 400 });
    await stream.settled(await client.upload(video));
    const twice = await client.upload(video);
    await expect
      .poll(() => received.map(({ body }) => (JSON.parse(body) as { uid: string }).uid))
      .toEqual([twice, twice]);
    const late = await client.upload(video);
    await stream.settled(late);
    const settledAt = Date.now();
    await expect.poll(() => received.length).toBe(3);
    expect(Date.now() - settledAt).toBeGreaterThan(250);
  });
});
