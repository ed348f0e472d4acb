import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MetadataValue } from "../../../src/core/uploads/rules/metadata-value.ts";
import {
  MAX_METADATA_HEADER_CHARACTERS,
  MAX_METADATA_KEYS,
  encodeUploadMetadata,
  parseUploadMetadata,
} from "../../../src/core/uploads/rules/upload-metadata.ts";

/** Keys as the parser returns them: lower case, printable ASCII, no comma. */
const key = fc.stringMatching(/^[\x21-\x2b\x2d-\x40\x5b-\x7e]{1,20}$/);
/** Text of any script, without lone surrogates, which UTF-8 cannot encode. */
const text = fc.string({ unit: "grapheme", maxLength: 40 });

function parse(header: string): Record<string, MetadataValue> | string {
  const parsed = parseUploadMetadata(header);
  return parsed.ok ? Object.fromEntries(parsed.value) : parsed.problem.code;
}

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`).join(",");

describe("parseUploadMetadata", () => {
  it("is the inverse of encodeUploadMetadata", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, text), { selector: ([name]) => name, maxLength: 20 }), (pairs) => {
        const parsed = parseUploadMetadata(encodeUploadMetadata(pairs));
        expect(parsed).toEqual({ ok: true, value: new Map(pairs) });
      }),
    );
  });

  it("accepts or rejects any text and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-zA-Z =,+/]{0,60}$/)), (header) => {
        expect(typeof parseUploadMetadata(header).ok).toBe("boolean");
      }),
    );
  });

  it.each([
    ["an empty header as an absent one", "", {}],
    ["blanks as an absent header", "  ", {}],
    ["a pair", "name d29ybGQ=", { name: "world" }],
    ["a bare key", "requiresignedurls", { requiresignedurls: "" }],
    ["a bare key followed by a space", "requiresignedurls ", { requiresignedurls: "" }],
    ["blanks around commas", "name d29ybGQ= ,\t a YQ== ", { name: "world", a: "a" }],
    ["a trailing comma", "name YQ==,", { name: "a" }],
    ["a leading comma", ",name YQ==", { name: "a" }],
    ["commas in a row", "name YQ==,, ,a YQ==", { name: "a", a: "a" }],
    ["nothing but commas", ", ,", {}],
    ["keys in any case, returned in lower case", "maxDurationSeconds NjA=", { maxdurationseconds: "60" }],
    ["UTF-8", "name w6TDtsO8IPCfjqw=", { name: "äöü 🎬" }],
    ["a byte order mark as text", "name 77u/YQ==", { name: "\u{feff}a" }],
    ["keys that objects inherit", "__proto__ YQ==,constructor Yg==", { ["__proto__"]: "a", constructor: "b" }],
    ["NUL and line breaks as text (sent to Stream only as base64)", "name AA0K", { name: "\0\r\n" }],
  ])("parses %s", (_, header, expected) => {
    const parsed = parseUploadMetadata(header);
    expect(parsed.ok && [...parsed.value]).toEqual(Object.entries(expected));
  });

  it.each([
    ["the same key twice", "name YQ==,name Yg=="],
    ["the same key twice in different case", "name YQ==,NAME Yg=="],
    ["two values", "name YQ== YQ=="],
    ["two spaces", "name  YQ=="],
    ["a tab instead of the space", "name\tYQ=="],
    ["a key that is not ASCII", "näme YQ=="],
    ["a control character in a key", "na\u0001me YQ=="],
    ["a grant that cannot be decoded", "Grant YQ"],
    ["a key of 129 characters", `${"k".repeat(129)} YQ==`],
  ])("rejects %s", (_, header) => {
    expect(parse(header)).toBe("upload_metadata_invalid");
  });

  it.each([
    ["base64 without padding", "YQ"],
    ["base64 with too much padding", "YQ==="],
    ["base64url", "_-8="],
    ["a stray character", "YQ*="],
    ["bytes that are not UTF-8", "//4="],
    ["a lone surrogate in CESU-8", "7aCA"],
    ["an overlong UTF-8 encoding", "wIA="],
    ["text that is not encoded", "video/mp4"],
  ])("keeps %s as it was sent", (_, undecodable) => {
    expect(parse(`Color ${undecodable},name YQ==`)).toEqual({ color: { undecodable }, name: "a" });
  });

  it.each([
    [
      "name YQ== YQ==",
      'The metadata key "name" has more than one value: separate pairs by a comma, key and value by a space.',
    ],
    ["name YQ==,NAME Yg==", 'The metadata key "NAME" is given more than once: keys are unique, ignoring case.'],
    ["näme YQ==", 'The metadata key "näme" must be 1 to 128 printable ASCII characters without space and comma.'],
    ["grant c2VjcmV0LXRva2Vu!", "grant must be UTF-8 text in padded base64."],
    ["k".repeat(16_385), "Upload-Metadata must have at most 16384 characters (found: 16385)."],
    [keysOf(65), "Upload-Metadata must have at most 64 keys (found: 65)."],
  ])("explains what is accepted for %j", (header, detail) => {
    expect(parseUploadMetadata(header)).toMatchObject({ problem: { detail } });
  });

  it("rejects headers above the limits of keys and characters", () => {
    expect(parse(`${keysOf(MAX_METADATA_KEYS)},`)).toBeTypeOf("object");
    expect(parse(keysOf(MAX_METADATA_KEYS + 1))).toBe("upload_metadata_too_large");
    expect(parse("k".repeat(MAX_METADATA_HEADER_CHARACTERS + 1))).toBe("upload_metadata_too_large");
  });
});

describe("encodeUploadMetadata", () => {
  it("writes padded standard base64, no space after a comma, and a bare key for an empty value", () => {
    const header = encodeUploadMetadata([
      ["name", "a?>ÿ"],
      ["requiresignedurls", ""],
      ["maxdurationseconds", "60"],
    ]);
    expect(header).toBe("name YT8+w78=,requiresignedurls,maxdurationseconds NjA=");
  });
});
