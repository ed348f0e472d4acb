import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCreation } from "../../../src/core/uploads/rules/tus-creation.ts";

function parse(headers: Record<string, string>) {
  return parseCreation((name) => headers[name]);
}

const valid = { "tus-resumable": "1.0.0", "upload-length": "1000" };

function codeOf(headers: Record<string, string>): string {
  const parsed = parse(headers);
  return parsed.ok ? "accepted" : parsed.problem.code;
}

describe("parseCreation", () => {
  it("parses length, metadata and creator", () => {
    const parsed = parse({ ...valid, "upload-metadata": "name YQ==", "upload-creator": "u1" });
    const value = { kind: "tus", length: 1000, metadata: new Map([["name", "a"]]), creator: "u1" };
    expect(parsed).toEqual({ ok: true, value });
  });

  it.each([
    ["0", "accepted"],
    ["1", "accepted"],
    ["30000000001", "accepted"],
    [String(Number.MAX_SAFE_INTEGER), "accepted"],
    ["9007199254740993", "upload_too_large"],
  ])("decides on Upload-Length %s by what a number holds, not by the account's maximum: %s", (length, expected) => {
    expect(codeOf({ ...valid, "upload-length": length })).toBe(expected);
  });

  it.each([
    "",
    "-0",
    "-1",
    "+1",
    "0100",
    "00",
    "1.0",
    "1e3",
    "0x10",
    " 1",
    "1 ",
    "1, 1",
    "1,1",
    "Infinity",
    "NaN",
    "١",
    "1_000",
  ])("rejects Upload-Length %j", (length) => {
    expect(codeOf({ ...valid, "upload-length": length })).toBe("upload_length_invalid");
  });

  it("rejects a creation without Upload-Length", () => {
    expect(codeOf({ "tus-resumable": "1.0.0" })).toBe("upload_length_required");
  });

  it.each([undefined, "", "0.2.2", "1.0", "1.0.0, 1.0.0", "1.0.0 ", "2.0.0"])(
    "rejects Tus-Resumable %j with tus_version_unsupported before any other error",
    (version) => {
      const headers = { "upload-length": "-1", "upload-concat": "partial", "upload-metadata": ",,," };
      expect(codeOf(version === undefined ? headers : { ...headers, "tus-resumable": version })).toBe(
        "tus_version_unsupported",
      );
    },
  );

  it.each([
    ["8388608", "accepted"],
    ["8388609", "body_too_large"],
  ])("decides on a body of %s bytes: %s", (bytes, expected) => {
    expect(codeOf({ ...valid, "content-length": bytes })).toBe(expected);
  });

  it("rejects a creation with invalid metadata", () => {
    expect(codeOf({ ...valid, "upload-metadata": "name YQ== YQ==" })).toBe("upload_metadata_invalid");
  });

  it("rejects the IETF draft with tus_version_unsupported, although it also sends Upload-Length", () => {
    expect(codeOf({ ...valid, "upload-draft-interop-version": "6" })).toBe("tus_version_unsupported");
  });

  it.each([
    ["upload-concat", "partial"],
    ["upload-concat", "final;/a /b"],
    ["upload-concat", ""],
    ["upload-defer-length", "1"],
  ])("rejects the unsupported extension %s: %j", (header, value) => {
    expect(codeOf({ ...valid, [header]: value })).toBe("tus_extension_unsupported");
  });

  it.each<[Record<string, string>, string]>([
    [
      {},
      "Tus-Resumable must be 1.0.0 (found: none). To upload a file as a form, without a tus client, first create a link for it at direct-uploads (on Cloudflare's path: direct_upload).",
    ],
    [{ ...valid, "tus-resumable": "0.2.2" }, 'Tus-Resumable must be 1.0.0 (found: "0.2.2").'],
    [{ "tus-resumable": "1.0.0" }, "Upload-Length is missing: send the size of the file in bytes."],
    [{ ...valid, "upload-length": "1e3" }, 'Upload-Length must be a non-negative integer (found: "1e3").'],
    [
      { ...valid, "upload-length": "9007199254740992" },
      'Upload-Length must be at most 9007199254740991 (found: "9007199254740992").',
    ],
    [{ ...valid, "upload-defer-length": "1" }, "Upload-Defer-Length is not supported: send Upload-Length."],
  ])("explains what is accepted for %j", (headers, detail) => {
    expect(parse(headers)).toMatchObject({ problem: { detail } });
  });

  it("accepts or rejects any headers and never throws", () => {
    const header = fc.option(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("1.0.0", "100", "name YQ==")), {
      nil: undefined,
    });
    fc.assert(
      fc.property(header, header, header, header, header, (version, length, metadata, concat, creator) => {
        const values: Record<string, string | undefined> = {
          "tus-resumable": version,
          "upload-length": length,
          "upload-metadata": metadata,
          "upload-concat": concat,
          "upload-creator": creator,
        };
        expect(typeof parseCreation((name) => values[name]).ok).toBe("boolean");
      }),
    );
  });
});
