import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MAX_METADATA_HEADER_CHARACTERS,
  MAX_METADATA_KEYS,
  encodeUploadMetadata,
  parseUploadMetadata,
} from "../../../src/core/uploads/rules/upload-metadata.ts";

/** Keys as they come out of the parser: lower case, visible ASCII, no comma. */
const key = fc.stringMatching(/^[\x21-\x2b\x2d-\x40\x5b-\x7e]{1,20}$/);
/** Text of any script, without halves of surrogate pairs, which UTF-8 cannot write. */
const text = fc.string({ unit: "grapheme", maxLength: 40 });

function parse(header: string): Record<string, string> | string {
  const parsed = parseUploadMetadata(header);
  return parsed.ok ? Object.fromEntries(parsed.value) : parsed.problem.code;
}

describe("parseUploadMetadata", () => {
  it("reads what encodeUploadMetadata writes: parse ∘ encode = identity", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, text), { selector: ([name]) => name, maxLength: 20 }), (pairs) => {
        const parsed = parseUploadMetadata(encodeUploadMetadata(pairs));
        expect(parsed).toEqual({ ok: true, value: new Map(pairs) });
      }),
    );
  });

  it("refuses or reads any text, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-zA-Z =,+/]{0,60}$/)), (header) => {
        expect(typeof parseUploadMetadata(header).ok).toBe("boolean");
      }),
    );
  });

  it.each([
    ["an empty header is an absent one", "", {}],
    ["blanks only are an absent header too", "  ", {}],
    ["a pair", "name d29ybGQ=", { name: "world" }],
    ["a bare key", "requiresignedurls", { requiresignedurls: "" }],
    ["a bare key with its space", "requiresignedurls ", { requiresignedurls: "" }],
    ["blanks around commas", "name d29ybGQ= ,\t a YQ== ", { name: "world", a: "a" }],
    ["keys in any case, compared and given in lower case", "maxDurationSeconds NjA=", { maxdurationseconds: "60" }],
    ["UTF-8", "name w6TDtsO8IPCfjqw=", { name: "äöü 🎬" }],
    ["a byte order mark is text", "name 77u/YQ==", { name: "\u{feff}a" }],
    ["keys that objects have already", "__proto__ YQ==,constructor Yg==", { ["__proto__"]: "a", constructor: "b" }],
    ["NUL and line breaks are text; they go upstream as base64 only", "name AA0K", { name: "\0\r\n" }],
  ])("reads %s", (_, header, expected) => {
    const parsed = parseUploadMetadata(header);
    expect(parsed.ok && [...parsed.value]).toEqual(Object.entries(expected));
  });

  it.each([
    ["the same key twice", "name YQ==,name Yg=="],
    ["the same key twice in different case", "name YQ==,NAME Yg=="],
    ["a trailing comma", "name YQ==,"],
    ["a leading comma", ",name YQ=="],
    ["two commas in a row", "name YQ==,,a YQ=="],
    ["two values", "name YQ== YQ=="],
    ["two spaces", "name  YQ=="],
    ["a tab for the space", "name\tYQ=="],
    ["a key beyond ASCII", "näme YQ=="],
    ["a control character in a key", "na\u0001me YQ=="],
    ["base64 without padding", "name YQ"],
    ["base64 with too much padding", "name YQ==="],
    ["the alphabet for URLs", "name _-8="],
    ["a stray character", "name YQ*="],
    ["bytes that are not UTF-8", "name //4="],
    ["half of a surrogate pair, as CESU-8 writes it", "name 7aCA"],
    ["an overlong encoding", "name wIA="],
    ["a key of 129 characters", `${"k".repeat(129)} YQ==`],
  ])("refuses %s", (_, header) => {
    expect(parse(header)).toBe("upload_metadata_invalid");
  });

  it("refuses more keys and longer headers than its limits", () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`).join(",");
    expect(parse(keys(MAX_METADATA_KEYS))).toBeTypeOf("object");
    expect(parse(keys(MAX_METADATA_KEYS + 1))).toBe("upload_metadata_too_large");
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
