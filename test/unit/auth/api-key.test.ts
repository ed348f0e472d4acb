import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  API_KEY_ID_CHARACTERS,
  API_KEY_SECRET_CHARACTERS,
  formatApiKey,
  parseApiKey,
} from "../../../src/core/auth/rules/api-key.ts";
import { crc32 } from "../../../src/core/auth/rules/crc32.ts";

const base62 = (length: number) => fc.stringMatching(new RegExp(`^[A-Za-z0-9]{${length}}$`));
const id = base62(API_KEY_ID_CHARACTERS);
const secret = base62(API_KEY_SECRET_CHARACTERS);

describe("parseApiKey", () => {
  it("parses what formatApiKey formats", () => {
    fc.assert(
      fc.property(id, secret, (id, secret) => {
        const key = formatApiKey(id, secret);
        expect(parseApiKey(key.text)).toEqual(key);
      }),
    );
  });

  it("returns undefined if one character differs", () => {
    const { text } = formatApiKey("a".repeat(API_KEY_ID_CHARACTERS), "b".repeat(API_KEY_SECRET_CHARACTERS));
    for (let index = 4; index < text.length; index++) {
      const mistyped = `${text.slice(0, index)}${text[index] === "x" ? "y" : "x"}${text.slice(index + 1)}`;
      expect(parseApiKey(mistyped), mistyped).toBeUndefined();
    }
  });

  it("returns undefined for another length, even with the right checksum", () => {
    for (const [idLength, secretLength] of [
      [15, 43],
      [17, 43],
      [16, 42],
      [16, 44],
    ] as const)
      expect(parseApiKey(formatApiKey("a".repeat(idLength), "b".repeat(secretLength)).text)).toBeUndefined();
  });

  it.each(["", "slu_", "slu_a_b", "Bearer slu_", "sk_live_123"])("returns undefined for other text: %j", (text) => {
    expect(parseApiKey(text)).toBeUndefined();
  });
});

describe("crc32", () => {
  it("computes the same checksum as zlib", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{0,80}$/), (text) => {
        expect(crc32(text)).toBe(zlibCrc32(text));
      }),
    );
  });
});
