import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { maxUploadBytes, originAllowed } from "../../../src/core/policy/rules/upload-checks.ts";
import type { MetadataValue } from "../../../src/core/uploads/rules/metadata-value.ts";
import { codeOf, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("checkLength, checkFileType and checkOrigin", () => {
  it.each([
    [{ maxBytes: 1_000 }, 1_000, "accepted"],
    [{ maxBytes: 999 }, 1_000, "upload_too_large"],
    [{ minBytes: 1_001 }, 1_000, "upload_too_small"],
    [{ minBytes: 1 }, 0, "upload_too_small"],
    [{}, 0, "accepted"],
  ])("decides on the bounds %j and a length of %d: %s", (upload, length, expected) => {
    expect(codeOf({ upload }, requestOf({}, { length }))).toBe(expected);
  });

  it.each([
    ["video/mp4", "accepted"],
    ["VIDEO/WebM;codecs=vp9", "accepted"],
    [" audio/mpeg ; codecs=mp3", "accepted"],
    ["audio/mpeg", "accepted"],
    ["audio/wav", "file_type_not_allowed"],
    ["videos/mp4", "file_type_not_allowed"],
    ["", "file_type_not_allowed"],
    [undefined, "file_type_not_allowed"],
  ])("decides on the filetype %j: %s", (filetype, expected) => {
    const policy = { upload: { fileTypes: ["video/*", "audio/mpeg"] } };
    expect(codeOf(policy, requestOf(filetype === undefined ? {} : { filetype }))).toBe(expected);
  });

  it.each<[Record<string, string>, string]>([
    [{ type: "video/mp4" }, "accepted"],
    [{ contenttype: "video/mp4" }, "accepted"],
    [{ mimetype: "video/mp4;codecs=avc1" }, "accepted"],
    [{ type: "text/html" }, "type"],
    [{ filetype: "video/mp4", type: "text/html" }, "type"],
    [{ filetype: "text/html", type: "video/mp4" }, "filetype"],
    [{ type: "video/mp4", mimetype: "text/html" }, "mimetype"],
    [{ filetype: "video/mp4", type: "trailer" }, "accepted"],
    [{ type: "trailer" }, "filetype"],
    [{ filetype: "trailer", type: "video/mp4" }, "filetype"],
    [{ filetype: "undefined", type: "video/mp4" }, "accepted"],
    [{ filetype: "video/mp4", type: "null" }, "accepted"],
    [{ filetype: "", type: "video/mp4" }, "accepted"],
    [{ filetype: "undefined" }, "filetype"],
    [{ filetype: "null", type: "undefined" }, "filetype"],
  ])("checks every file type that is sent: %j, at fault is %s", (metadata, expected) => {
    const { result } = applyPolicy([policyOf({ upload: { fileTypes: ["video/*"] } })], requestOf(metadata));
    expect(result.ok ? "accepted" : result.problem.key).toBe(expected);
    expect(codeOf({}, requestOf(metadata))).toBe("accepted");
  });

  it.each([{ filetype: "undefined" }, { filetype: "null" }, { type: "trailer" }, {}])(
    "says that the file type is missing: %j",
    (metadata) => {
      const { result } = applyPolicy([policyOf({ upload: { fileTypes: ["video/*"] } })], requestOf({ ...metadata }));
      const detail = "filetype is required and must be one of video/*.";
      expect(result).toMatchObject({ problem: { code: "file_type_not_allowed", detail } });
    },
  );

  const OCTETS = "application/octet-stream";

  it.each<[metadata: Record<string, MetadataValue>, expected: string]>([
    [{ filename: "a.mkv" }, "accepted"],
    [{ name: "A.MKV" }, "accepted"],
    [{ name: "Cats", filename: "a.mkv" }, "accepted"],
    [{ name: "a.mkv", filename: "a.exe" }, "filetype"],
    [{ name: "a.mkv", filename: "\u0007" }, "accepted"],
    [{ filename: "a.mkv\u202e\0" }, "accepted"],
    [{ filename: "a.mkv", filetype: "" }, "accepted"],
    [{ filename: "a.mkv", filetype: "undefined", type: "null" }, "accepted"],
    [{ filename: "a.mkv", filetype: OCTETS }, "accepted"],
    [{ filename: "a.mkv", filetype: `${OCTETS}; charset=binary`, type: "Application/Octet-Stream" }, "accepted"],
    [{ filename: "a.mkv", filetype: "video/mp4", type: OCTETS }, "accepted"],
    [{ filename: "a.exe", filetype: "video/mp4", type: OCTETS }, "type"],
    [{ filename: "a.mkv", filetype: "text/html" }, "filetype"],
    [{ filename: "a.mkv", filetype: "video/mp4", type: "text/html" }, "type"],
    [{ filename: "a.mkv", filetype: "trailer" }, "filetype"],
    [{ filename: "a.mkv.exe" }, "filetype"],
    [{ filename: "mkv" }, "filetype"],
    [{ filename: "a.mxf" }, "filetype"],
    [{ filetype: OCTETS }, "filetype"],
    [{}, "filetype"],
  ])("takes an extension for a type where none is declared, or only octets: %j: %s", (metadata, expected) => {
    const { result } = applyPolicy([policyOf({ upload: { fileTypes: ["video/*", ".mkv"] } })], requestOf(metadata));
    expect(result.ok ? "accepted" : result.problem.key).toBe(expected);
  });

  it.each([
    ["video/mp4", true],
    ["video/vnd.dlna.mpeg-tts", true],
    ["video/x_y!#$&^.+-z", true],
    ["video/3gpp;codecs=avc1", true],
    ["video/", false],
    ["video/*", false],
    ["*/*", false],
    ["video/../image", false],
    ["video/..", false],
    ["video/mp4/html", false],
    ["video/mp4,text/html", false],
    ["video/mp4 text/html", false],
    ["video/é", false],
    ["video", false],
  ])("takes %j for a video: %s", (filetype, accepted) => {
    const policy = { upload: { fileTypes: ["video/*"] } };
    for (const key of ["filetype", "type"])
      expect(codeOf(policy, requestOf({ [key]: filetype }))).toBe(accepted ? "accepted" : "file_type_not_allowed");
  });

  it("refuses a file type that cannot be decoded only if the policy reads it", () => {
    const metadata = { type: { undecodable: "video/mp4" } };
    expect(codeOf({ upload: { fileTypes: ["video/*"] } }, requestOf(metadata))).toBe("upload_metadata_invalid");
    expect(codeOf({}, requestOf(metadata))).toBe("accepted");
  });

  it("sends a basic link that could exceed maxBytes to tus", () => {
    const policy = policyOf({ upload: { maxBytes: 10_000_000 } });
    const { result } = applyPolicy([policy], requestOf({}, { kind: "direct", length: 200_000_000 }));
    const detail =
      "length must be at most 10000000 bytes, and a basic link accepts up to 200000000: create the upload by tus, which fixes its length.";
    expect(result).toMatchObject({ problem: { code: "upload_too_large", detail } });
  });

  it.each([
    ["https://app.acme.com", true],
    ["https://x.y.acme.dev", true],
    ["https://acme.dev", false],
    ["http://app.acme.com", false],
    ["http://app.acme.dev", false],
    ["https://app.acme.com:8443", false],
    ["https://app.acme.com.evil.example", false],
    ["null", false],
    ["", false],
    ["https://app.acme.com, https://app.acme.com", false],
  ])("decides on the origin %s: allowed is %s", (origin, allowed) => {
    const policy = { origins: ["https://app.acme.com", "https://*.acme.dev"] };
    expect(originAllowed([policyOf(policy)], origin)).toBe(allowed);
    expect(codeOf(policy, requestOf({}, { origin }))).toBe(allowed ? "accepted" : "origin_not_allowed");
  });

  it.each(["capacitor://localhost", "null", "http://[::1]:5173", "app://-"])(
    "allows %s if the policy lists it",
    (origin) => {
      expect(originAllowed([policyOf({ origins: [origin] })], origin)).toBe(true);
      expect(originAllowed([policyOf({ origins: ["https://app.acme.com"] })], origin)).toBe(false);
    },
  );

  it("allows any origin if the policy has no list, and no origin if the list is empty", () => {
    expect(originAllowed([policyOf({})], "https://any.example")).toBe(true);
    expect(originAllowed([policyOf({ origins: [] })], "https://any.example")).toBe(false);
    expect(codeOf({ origins: [] }, requestOf())).toBe("accepted");
  });

  it("allows an origin only if every document allows it", () => {
    const policy = narrow(
      [policyOf({ origins: ["https://*.acme.com"] })],
      policyOf({ origins: ["https://app.acme.com", "https://evil.example"] }, "grant"),
    );
    const origins = ["https://app.acme.com", "https://x.acme.com", "https://evil.example"];
    expect(origins.map((origin) => originAllowed(policy, origin))).toEqual([true, false, false]);
  });

  it.each([
    [{ upload: { maxBytes: 999 } }, {}, 'length must be at most 999 bytes (requested: "1000").'],
    [{ upload: { minBytes: 1_001 } }, {}, 'length must be at least 1001 bytes (requested: "1000").'],
    [
      { upload: { fileTypes: ["video/*", "audio/mpeg"] } },
      { filetype: "text/html" },
      'filetype must be one of video/*, audio/mpeg (requested: "text/html").',
    ],
    [{ upload: { fileTypes: ["video/*"] } }, {}, "filetype is required and must be one of video/*."],
  ])("says what is wrong, found and accepted: %j, %j", (document, metadata, detail) => {
    const { result } = applyPolicy([policyOf(document)], requestOf(metadata));
    expect(result).toMatchObject({ ok: false, problem: { detail } });
  });
});

describe("maxUploadBytes", () => {
  it("returns the smallest maximum of all documents and the Stream account", () => {
    const policy = narrow([policyOf({ upload: { maxBytes: 100 } })], policyOf({ upload: { maxBytes: 50 } }, "grant"));
    expect(maxUploadBytes(policy, { maxUploadBytes: 60 })).toBe(50);
    expect(maxUploadBytes(policy, { maxUploadBytes: 40 })).toBe(40);
  });
});
