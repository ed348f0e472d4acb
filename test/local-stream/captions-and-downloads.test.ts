import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { videoFile } from "../support/files.ts";
import { formOf } from "../support/route-table.ts";

const CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";
const file = videoFile({ seconds: 1 });

let stream: LocalStream;
let client: ReturnType<typeof createStreamClient>;
let uid: string;

beforeAll(async () => {
  stream = await startLocalStream();
  client = createStreamClient(stream);
});
afterAll(() => stream.close());
beforeEach(async () => {
  stream.reset();
  uid = await client.upload(readFileSync(file));
  await stream.settled(uid);
});

function put(language: string, body: FormData | string): Promise<Response> {
  const url = `${stream.apiBase}/accounts/${stream.accountId}/stream/${uid}/captions/${language}`;
  return fetch(url, { method: "PUT", headers: { Authorization: `Bearer ${stream.token}` }, body });
}

describe("captions", () => {
  it("are stored by language", async () => {
    expect((await put("pt-BR", formOf(CAPTIONS))).status).toBe(200);
    const { result } = await client.api("GET", `/${uid}/captions`);
    expect(result).toEqual([{ language: "pt-BR", label: "português (Brasil)", generated: false, status: "ready" }]);
    expect((await client.api("DELETE", `/${uid}/captions/pt-BR`)).status).toBe(200);
    expect((await client.api("GET", `/${uid}/captions/pt-BR`)).status).toBe(404);
  });

  it("must be one part that is WebVTT", async () => {
    const two = formOf(CAPTIONS);
    two.append("more", "x");
    for (const body of [formOf("hello"), two, CAPTIONS]) expect((await put("en", body)).status).toBe(400);
    expect((await put("not a tag", formOf(CAPTIONS))).status).toBe(400);
  });
});

describe("a download", () => {
  it("is made after it was asked for", async () => {
    expect((await client.api("GET", `/${uid}/downloads`)).result).toEqual({});
    const made = await client.api("POST", `/${uid}/downloads`);
    expect(made.result).toMatchObject({ default: { status: "inprogress", url: expect.stringContaining(uid) } });
    stream.advance(60_000);
    expect((await client.api("GET", `/${uid}/downloads`)).result).toMatchObject({ default: { status: "ready" } });
    await client.api("DELETE", `/${uid}/downloads`);
    expect((await client.api("GET", `/${uid}/downloads`)).result).toEqual({});
  });

  it("needs a video that is ready", async () => {
    const pending = await client.createUpload(5);
    expect((await client.api("POST", `/${pending.uid}/downloads`)).status).toBe(400);
  });
});

describe("watermarks", () => {
  it("have the link that their picture came from", async () => {
    const { result } = await client.api<{ uid: string; downloadedFrom: string }[]>("GET", "/watermarks");
    expect(result).toMatchObject([{ downloadedFrom: expect.stringMatching(/^https:/) }]);
    expect((await client.api("GET", `/watermarks/${result[0]?.uid}`)).result).toEqual(result[0]);
    expect((await client.api("GET", "/watermarks/none")).status).toBe(404);
  });
});

it("answers 404 to paths that it does not have", async () => {
  for (const path of [`/${uid}/embed`, `/${uid}/captions/en/vtt/more`, "/watermarks/a/b"])
    expect((await client.api("GET", path)).status).toBe(404);
});
