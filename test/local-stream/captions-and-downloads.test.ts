import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamClient } from "../../src/local-stream/client.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { startLocalStream } from "../../src/local-stream/server.ts";
import { tmpFolder, videoFile } from "../support/files.ts";
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

  it("are read as text, each as it was last put", async () => {
    await put("en", formOf("WEBVTT\n"));
    expect(await (await put("en", formOf(CAPTIONS))).json()).toMatchObject({
      success: true,
      result: { language: "en", label: "English", generated: false, status: "ready" },
    });
    const text = await fetch(`${client.base}/${uid}/captions/en/vtt`, { headers: client.authorization });
    expect([text.headers.get("content-type"), await text.text()]).toEqual(["text/vtt", CAPTIONS]);
    expect((await client.api("GET", `/${uid}/captions/de/vtt`)).errors).toMatchObject([{ code: 10_003 }]);
  });

  it("must be one part called file", async () => {
    const two = formOf(CAPTIONS);
    two.append("file", new File([CAPTIONS], "more.vtt"));
    const other = new FormData();
    other.set("captions", new File([CAPTIONS], "en.vtt"));
    for (const body of [new FormData(), two, other, CAPTIONS]) expect((await put("en", body)).status).toBe(400);
  });

  it.each([
    ["without its first line", "hello", 400],
    ["of no bytes", "", 400],
    ["with a word like it", "WEBVTTX\n", 400],
    ["of the first line only", "WEBVTT", 200],
    ["with a byte order mark", "\uFEFFWEBVTT of the first line\n", 200],
    ["of 10 MB", "WEBVTT\n".padEnd(10_000_000, "x"), 200],
    ["of more than 10 MB", "WEBVTT\n".padEnd(10_000_001, "x"), 400],
  ])("must be WebVTT of at most 10 MB: a file %s", async (_, text, status) => {
    expect((await put("en", formOf(text))).status).toBe(status);
  });

  it("must be UTF-8", async () => {
    const form = new FormData();
    form.set("file", new File([CAPTIONS, Uint8Array.of(0xe9)], "en.vtt"));
    expect((await put("en", form)).status).toBe(400);
  });

  it.each(["e", "en_US", "en-12", "en-US-US", "not%20a%20tag", "en-u-ca-buddhist"])(
    "are not of the language %s",
    async (language) => {
      const answer = await put(language, formOf(CAPTIONS));
      expect([answer.status, await answer.json()]).toMatchObject([400, { errors: [{ code: 10_005 }] }]);
      expect((await client.api("GET", `/${uid}/captions`)).result).toEqual([]);
    },
  );

  it("are those of a video, and go with it", async () => {
    await put("en", formOf(CAPTIONS));
    await client.api("DELETE", `/${uid}`);
    for (const path of ["", "/en", "/en/vtt"])
      expect((await client.api("GET", `/${uid}/captions${path}`)).status).toBe(404);
    expect((await put("en", formOf(CAPTIONS))).status).toBe(404);
  });
});

describe("a download", () => {
  it("is made after it was asked for", async () => {
    expect((await client.api("GET", `/${uid}/downloads`)).result).toEqual({});
    const made = await client.api("POST", `/${uid}/downloads`);
    const url = `${stream.url}/${uid}/downloads/default.mp4`;
    expect(made.result).toEqual({ default: { status: "inprogress", percentComplete: 0, url } });
    stream.advance(60_000);
    const ready = { default: { status: "ready", percentComplete: 100, url } };
    expect((await client.api("GET", `/${uid}/downloads`)).result).toEqual(ready);
    expect((await client.api("POST", `/${uid}/downloads`)).result).toEqual(ready);
    await client.api("DELETE", `/${uid}/downloads`);
    expect((await client.api("GET", `/${uid}/downloads`)).result).toEqual({});
  });

  it("needs a video that is ready", async () => {
    const pending = await client.createUpload(5);
    expect((await client.api("POST", `/${pending.uid}/downloads`)).status).toBe(400);
  });
});

it("captions and downloads survive a restart", async () => {
  const dataDir = tmpFolder();
  const first = await startLocalStream({ dataDir });
  const before = createStreamClient(first);
  const video = await before.upload(readFileSync(file));
  await first.settled(video);
  const path = `/${video}/captions/en`;
  const init = { method: "PUT", headers: before.authorization, body: formOf(CAPTIONS) };
  expect((await fetch(before.base + path, init)).status).toBe(200);
  await before.api("POST", `/${video}/downloads`);
  await first.close();

  const second = await startLocalStream({ dataDir });
  const after = createStreamClient(second);
  expect((await after.api("GET", path)).result).toMatchObject({ language: "en" });
  expect((await after.api("GET", `/${video}/downloads`)).result).toHaveProperty("default");
  await second.close();
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
