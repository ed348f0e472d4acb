import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OPERATIONS, matchOperation } from "../../../src/core/stream/rules/operations.ts";

const UID = "ea95132c15732412d22c1476fa83f27a";

describe("matchOperation", () => {
  it.each([
    ["GET", `/${UID}`, "readVideo", { uid: UID }],
    ["DELETE", `/${UID}`, "deleteVideo", { uid: UID }],
    ["POST", "/direct_upload", "createDirectUpload", {}],
    ["GET", `/${UID}/captions`, "listCaptions", { uid: UID }],
    ["PUT", `/${UID}/captions/pt-BR`, "putCaption", { uid: UID, language: "pt-BR" }],
    ["GET", `/${UID}/captions/en/vtt`, "readCaptionFile", { uid: UID, language: "en" }],
    ["GET", "/watermarks", "listWatermarks", {}],
    ["GET", `/watermarks/${UID}`, "readWatermark", { profile: UID }],
    // A uid that nobody has: the look-up says so.
    ["GET", "/no-uid-at-all", "readVideo", { uid: "no-uid-at-all" }],
  ])("finds %s %s", (method, path, name, parameters) => {
    expect(matchOperation(method, path)).toEqual({ kind: "operation", name, parameters });
  });

  it.each([
    ["HEAD", "/direct_upload", ["POST"]],
    ["PUT", `/${UID}/downloads`, ["GET", "POST", "DELETE"]],
    ["POST", "/watermarks", ["GET"]],
    ["PATCH", `/${UID}/captions/en`, ["GET", "PUT", "DELETE"]],
  ])("lists the other methods for %s %s", (method, path, allow) => {
    expect(matchOperation(method, path)).toEqual({ kind: "other method", allow });
  });

  it.each([
    "/keys",
    "/keys/1",
    "/keys/token",
    "/live_inputs",
    "/live_inputs/1/outputs",
    "/webhook",
    `/${UID}/embed`,
    `/${UID}/audio`,
    `/${UID}/captions/en/generate`,
    `/${UID}/downloads/audio`,
    `/${UID}/captions/`,
    "//captions",
    `/${UID}/captions/en/vtt/more`,
    "/webhook/captions",
    "/direct_upload/captions",
  ])("offers nothing at %s", (path) => {
    for (const method of ["GET", "POST", "PUT", "DELETE"])
      expect(matchOperation(method, path)).toEqual({ kind: "not offered" });
  });

  it("finds each operation at its own path, whatever its parameters are", () => {
    const segment = fc.stringMatching(/^[a-z0-9%.-]{9,20}$/);
    fc.assert(
      fc.property(fc.constantFrom(...Object.entries(OPERATIONS)), segment, segment, ([name, operation], one, two) => {
        const path = operation.path.replace(/:(?:uid|profile)/, one).replace(":language", two);
        expect(matchOperation(operation.method, path)).toMatchObject({ kind: "operation", name });
      }),
    );
  });
});

describe("OPERATIONS", () => {
  it("let through the members that Cloudflare documents, and no others", () => {
    const { listCaptions, readDownloads, readWatermark, deleteCaption, readCaption } = OPERATIONS;
    const caption = { language: "en", label: "English", generated: false, status: "ready" };
    expect(listCaptions.answer([{ ...caption, account: "secret" }])).toEqual([caption]);
    expect(readCaption.answer({ language: "en", constructor: 1 })).toEqual({ language: "en" });
    expect(readDownloads.answer({ default: { status: "ready", url: "https://x.example", key: "secret" } })).toEqual({
      default: { status: "ready", url: "https://x.example" },
    });
    expect(readWatermark.answer({ uid: UID, downloadedFrom: "https://x.example/?signature=1" })).toEqual({ uid: UID });
    expect(deleteCaption.answer({ account: "secret" })).toBe("");
    expect(readCaption.answer({ language: "en", label: [[["deep"]]], status: null })).toEqual({
      language: "en",
      status: null,
    });
  });

  it("take an answer of Stream that has nothing for an empty one, and anything else for none", () => {
    const { listCaptions, readCaption, readCaptionFile, readDownloads, listWatermarks } = OPERATIONS;
    expect([listCaptions.answer(null), readDownloads.answer(null), listWatermarks.answer(null)]).toEqual([[], {}, []]);
    for (const junk of [undefined, 5, "", "text", [[]], [null], { a: 1 }]) {
      expect(listCaptions.answer(junk)).toBeUndefined();
      expect(listWatermarks.answer(junk)).toBeUndefined();
      expect(readDownloads.answer(junk)).toBeUndefined();
      expect(readCaptionFile.answer(junk)).toBeUndefined();
    }
    for (const junk of [null, undefined, "", [{ language: "en" }]]) expect(readCaption.answer(junk)).toBeUndefined();
    expect(readCaptionFile.answer("<html>")).toBeUndefined();
    expect(readCaptionFile.answer("WEBVTT\n")).toBe("WEBVTT\n");
  });
});
