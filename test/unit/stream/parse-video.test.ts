import { describe, expect, it } from "vitest";
import { USUAL_MAXIMA } from "../../../src/core/stream/rules/defaults.ts";
import { parseVideo as parse, skippedVideo } from "../../../src/core/stream/rules/parse-video.ts";
import { nested } from "../../support/nested.ts";

const UID = "0123456789abcdef0123456789abcdef";
const parseVideo = (json: unknown) => parse(json, USUAL_MAXIMA);
const video = (more: object = {}) => ({ uid: UID, status: { state: "ready" }, duration: 5, ...more });

describe("parseVideo", () => {
  it.each(["../tokens", "..", "a/b", `${UID}/captions`, `${UID}?x=1`, UID.slice(1), ""])(
    "returns undefined when the uid is not safe in a path: %j",
    (uid) => expect(parseVideo(video({ uid }))).toBeUndefined(),
  );

  it("reads the uid from id when uid is absent", () => {
    expect(parseVideo(video({ uid: null, id: UID }))).toMatchObject({ report: { uid: UID } });
  });

  it.each([
    [-1, undefined],
    [0, undefined],
    [30, 30],
  ])("reads maxDurationSeconds %j as %j", (value, expected) => {
    expect(parseVideo(video({ maxDurationSeconds: value }))?.maxDurationSeconds).toBe(expected);
  });

  it("omits duration and size when they are unknown (-1)", () => {
    expect(parseVideo(video({ duration: -1, size: -1 }))?.report).toEqual({ kind: "ready", uid: UID });
  });

  const [UPLOAD, MAC] = ["02098a67-8000-7000-8000-000000000001", "abcDEF019-_abcDE"];
  it.each([
    [`acme/${UPLOAD}/${MAC}`, { tenant: "acme", uploadId: UPLOAD, mac: MAC }],
    [`acme/${UPLOAD}`, { tenant: "acme", uploadId: UPLOAD }],
  ])("reads the tag %s", (sluice, tag) => {
    expect(parseVideo(video({ meta: { sluice } }))).toMatchObject({ tag });
    expect(parseVideo(video({ meta: { sluice } }))?.tag).toEqual(tag);
  });

  it.each([
    "acme",
    "acme/",
    "/one",
    "Acme/one",
    "acme/one/more",
    5,
    null,
    [`acme/${UPLOAD}`],
    { tenant: "acme" },
    ` acme/${UPLOAD}`,
    `acme/${UPLOAD}/`,
    `acme/${UPLOAD}/${MAC}A`,
    `acme/${UPLOAD}/${MAC}/`,
    `acme/${UPLOAD}/${MAC.slice(1)}=`,
    `acme/${UPLOAD}/${MAC}\n`,
    "/".repeat(100_000),
    `acme/${"a/".repeat(50_000)}`,
  ])("reads no tag from %j", (sluice) => {
    expect(parseVideo(video({ meta: { sluice } }))).not.toHaveProperty("tag");
  });

  // Of an account that takes videos of 10 hours and files of 30 GB.
  it.each([
    ["duration", 360_000, { seconds: 360_000 }],
    ["duration", 360_000.001, {}],
    ["duration", 1e300, {}],
    ["duration", Number.POSITIVE_INFINITY, {}],
    ["duration", Number.NaN, {}],
    ["duration", -1e300, {}],
    ["duration", "5", {}],
    ["duration", null, {}],
    ["duration", { valueOf: 5 }, {}],
    ["size", 300_000_000_000, { bytes: 300_000_000_000 }],
    ["size", 300_000_000_001, {}],
    ["size", 1e300, {}],
    ["size", Number.NEGATIVE_INFINITY, {}],
    ["size", 0.1, {}],
    ["size", [5], {}],
  ])("reads a %s of %j as %j, and the state in any case", (name, value, expected) => {
    const parsed = parseVideo(video({ duration: null, [name]: value }));
    expect(parsed?.report).toEqual({ kind: "ready", uid: UID, ...expected });
  });

  it.each([
    [30, 30],
    [360_001, undefined],
    [1e300, undefined],
    ["30", undefined],
    [[], undefined],
  ])("reads maxDurationSeconds %j as %j", (value, expected) => {
    expect(parseVideo(video({ maxDurationSeconds: value }))?.maxDurationSeconds).toBe(expected);
  });

  it("bounds numbers by what the account takes", () => {
    const maxima = { maxVideoSeconds: 100, maxUploadBytes: 10 };
    expect(parse(video({ duration: 1_001, size: 101 }), maxima)?.report).toEqual({ kind: "ready", uid: UID });
    expect(parse(video({ duration: 1_000, size: 100 }), maxima)?.report).toMatchObject({ seconds: 1_000, bytes: 100 });
  });

  it("does not pass on an implausible number, and passes on what Stream says of an unknown one", () => {
    const json = parseVideo(video({ duration: 1e300, size: -1, maxDurationSeconds: 60, input: { width: 5 } }))?.json;
    expect(json).not.toHaveProperty("duration");
    expect(json).toMatchObject({ size: -1, maxDurationSeconds: 60, input: { width: 5 } });
  });

  it.each([
    ["2026-11-28T08:00:00.5Z", 1_795_852_800],
    ["2016-12-31T23:59:59Z", undefined],
    ["2017-01-01T00:00:00Z", 1_483_228_800],
    ["2100-01-01T00:00:01Z", undefined],
    ["+275760-09-13T00:00:00Z", undefined],
    ["-000001-01-01T00:00:00Z", undefined],
    ["yesterday", undefined],
    ["9".repeat(10_000), undefined],
    [1_795_852_800, undefined],
    [{}, undefined],
  ])("reads a creation time of %j as %j", (created, expected) => {
    expect(parseVideo(video({ created }))?.created).toBe(expected);
  });

  it.each([
    ["2026-11-28T14:00:00Z", 1_795_874_400],
    ["2026-11-28T07:59:59Z", undefined],
    ["2026-11-30T20:00:01Z", undefined],
    ["2099-01-01T00:00:00Z", undefined],
    ["+275760-09-13T00:00:00Z", undefined],
  ])("reads an expiry at %j of a video created at 2026-11-28T08:00:00Z as %j", (uploadExpiry, expected) => {
    expect(parseVideo(video({ created: "2026-11-28T08:00:00Z", uploadExpiry }))?.expires).toBe(expected);
    expect(parseVideo(video({ uploadExpiry }))).not.toHaveProperty("expires");
  });

  it.each([
    ["user-1", "user-1"],
    ["u".repeat(64), "u".repeat(64)],
    ["u".repeat(65), undefined],
    ["u".repeat(10_000), undefined],
    ["ü", undefined],
    ["a\nb", undefined],
    ["", undefined],
    [5, undefined],
    [["user-1"], undefined],
  ])("reads a creator of %j as %j", (creator, expected) => {
    expect(parseVideo(video({ creator }))?.creator).toBe(expected);
  });

  it.each([["text"], [5], [[]], [null]])("counts the state of a video whose meta is %j", (meta) => {
    expect(parseVideo(video({ meta }))?.report).toMatchObject({ kind: "ready" });
  });

  it.each([["ready"], [null], [{}], [{ state: 5 }]])("returns undefined when its status is %j", (status) => {
    expect(parseVideo(video({ status }))).toBeUndefined();
  });

  it.each([
    ["meta", 31, false],
    ["meta", 32, true],
    ["meta", 3_600, true],
    ["meta", 1_000_000, true],
    ["input", 32, true],
    ["new member", 100_000, true],
  ])("marks %s with %d levels as too deep: %j, and counts the state", (name, levels, tooDeep) => {
    const value = name === "meta" ? { sluice: "acme/one", deep: nested(levels - 1) } : nested(levels);
    const parsed = parseVideo(video({ name: "a", [name]: value }));
    expect(parsed?.report).toMatchObject({ kind: "ready", seconds: 5 });
    expect(parsed?.tooDeep ?? false).toBe(tooDeep);
    expect(name in (parsed?.json ?? {})).toBe(!tooDeep);
    expect(JSON.stringify(parsed)).toContain(UID);
    if (name === "meta") expect(parsed?.tag).toEqual({ tenant: "acme", uploadId: "one" });
  });

  it.each([
    [12.3456, 12.346],
    [12.0004, 12],
    [7, 7],
  ])("rounds a duration of %j s to whole milliseconds: %j s", (duration, seconds) => {
    expect(parseVideo(video({ duration, maxDurationSeconds: duration }))).toMatchObject({
      report: { seconds },
      maxDurationSeconds: seconds,
    });
  });

  it("truncates the reason of a failure, since the webhook event must fit into a queue message", () => {
    const report = parseVideo(video({ status: { state: "error", errorReasonCode: "E".repeat(200_000) } }))?.report;
    expect(report).toMatchObject({ kind: "failed", reason: expect.stringMatching(/^E{10,100}…$/) });
  });
});

describe("parseVideo, of a copy", () => {
  const meta = { name: "Cats", "downloaded-from": "https://bucket.example.com/a.mp4?X-Amz-Signature=5ca1ab1e" };

  it("removes the link, which may be signed, and says that it is a copy", () => {
    const parsed = parseVideo(video({ meta }));
    expect(parsed).toMatchObject({ source: "copy", json: { meta: { name: "Cats" } } });
    expect(JSON.stringify(parsed)).not.toContain("5ca1ab1e");
  });

  it("knows a clip, also one of a copy", () => {
    expect(parseVideo(video({ meta, clippedFrom: UID }))).toMatchObject({ source: "clip", json: { clippedFrom: UID } });
    expect(parseVideo(video({}))).not.toHaveProperty("source");
  });

  it("reads size and duration while it is processed", () => {
    const status = { state: "downloading" };
    expect(parseVideo(video({ status, size: 5, duration: -1 }))?.report).toEqual({
      kind: "processing",
      uid: UID,
      bytes: 5,
    });
  });
});

describe("skippedVideo", () => {
  const created = "2026-11-28T08:00:00Z";
  it.each([
    [
      { uid: UID, created },
      { skipped: UID, created: 1_795_852_800 },
    ],
    [{ uid: null, id: UID }, { skipped: UID }],
    [{ uid: "x".repeat(10_000) }, { skipped: `${"x".repeat(80)}…` }],
    [[], { skipped: "unknown" }],
    [null, { skipped: "unknown" }],
    ["text", { skipped: "unknown" }],
  ])("names %j %#", (json, expected) => expect(skippedVideo(json)).toEqual(expected));

  it("names a video whose uid nests too deep", () => {
    expect(skippedVideo({ uid: nested(100_000), created: 5 })).toEqual({ skipped: "unknown" });
  });
});
