import { describe, expect, it } from "vitest";
import { readCaptionFile } from "../../../src/http/pipeline/caption-file.ts";
import { formOf } from "../../support/route-table.ts";

const CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.000\nHallo, Zoë\n";

const read = (body: FormData | string, headers: Record<string, string> = {}) =>
  readCaptionFile(new Request("https://gateway.example/", { method: "PUT", body, headers }));

const refusal = (code: string) => ({ ok: false, problem: { code } });

describe("readCaptionFile", () => {
  it("reads the one part, sent as a file or as text", async () => {
    expect(await read(formOf(CAPTIONS))).toEqual({ ok: true, value: CAPTIONS });
    const text = new FormData();
    text.set("file", CAPTIONS.replaceAll("\n", "\r\n"));
    expect(await read(text)).toEqual({ ok: true, value: CAPTIONS.replaceAll("\n", "\r\n") });
  });

  it("accepts a byte order mark, and leaves it out", async () => {
    expect(await read(formOf(`\uFEFF${CAPTIONS}`))).toEqual({ ok: true, value: CAPTIONS });
  });

  it.each(["WEBVTT", "WEBVTT - Zoë\n", "WEBVTT\tx"])("takes %j for WebVTT", async (text) => {
    expect(await read(formOf(text))).toEqual({ ok: true, value: text });
  });

  it.each(["", "WEBVTTX\n", " WEBVTT\n", "1\n00:00:00,000 --> 00:00:01,000\nHello", "<tt/>"])(
    "refuses %j, which is no WebVTT",
    async (text) => {
      expect(await read(formOf(text))).toMatchObject(refusal("body_invalid"));
    },
  );

  it("refuses bytes that are no UTF-8", async () => {
    const form = new FormData();
    form.set("file", new File([CAPTIONS, new Uint8Array([0xff, 0xfe])], "en.vtt"));
    expect(await read(form)).toMatchObject(refusal("body_invalid"));
  });

  it("refuses other forms", async () => {
    const twice = formOf(CAPTIONS);
    twice.append("file", new File([CAPTIONS], "en.vtt"));
    const more = formOf(CAPTIONS);
    more.append("language", "en");
    const another = new FormData();
    another.set("captions", new File([CAPTIONS], "en.vtt"));
    for (const form of [twice, more, another, new FormData()])
      expect(await read(form)).toMatchObject(refusal("body_invalid"));
    expect(await read(CAPTIONS, { "Content-Type": "text/vtt" })).toMatchObject(refusal("body_invalid"));
    const broken = { "Content-Type": "multipart/form-data; boundary=x" };
    expect(await read("--y\r\n", broken)).toMatchObject(refusal("body_invalid"));
    expect(await read("--x", { "Content-Type": "multipart/form-data;" })).toMatchObject(refusal("body_invalid"));
  });

  it("refuses more than 10 MB, in the file and in the whole form", async () => {
    const most = CAPTIONS.padEnd(10_000_000, "x");
    const bytes = new TextEncoder().encode(most).byteLength - most.length;
    expect((await read(formOf(most.slice(0, most.length - bytes)))).ok).toBe(true);
    expect(await read(formOf(`${most}x`))).toMatchObject(refusal("body_too_large"));
    expect(await read(formOf(most + most))).toMatchObject(refusal("body_too_large"));
  });
});
