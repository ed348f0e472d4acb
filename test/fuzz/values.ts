import type { Random } from "./random.ts";

/** Values that parsers get wrong. */

const LONG = "x".repeat(5_000);

/** For any place that takes text. */
export const ODD_TEXTS = [
  "",
  " ",
  "0",
  "-0",
  "1e999",
  "NaN",
  "null",
  "undefined",
  "true",
  "__proto__",
  "constructor",
  "../..",
  "%00",
  "\u0000",
  "a\r\nSet-Cookie: a=b",
  "\u001b[31m",
  "\u202egpj.exe",
  "e\u0301\u0301\u0301",
  "👩‍👩‍👧‍👦",
  "\ud800",
  "${7*7}",
  "' OR 1=1 --",
  "<script>alert(1)</script>",
  "9007199254740993",
  "2026-11-28T00:00:00Z",
  "0000-00-00T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "+275760-09-13T00:00:00.001Z",
  "P1D",
  "PT2H",
  "P99999999999D",
  "https://app.example",
  "http://[::1]:1/",
  "https://user:secret@a.example/",
  "(a+)+$",
  LONG,
] as const;

export function oddText(random: Random): string {
  return random.pick(ODD_TEXTS);
}

/** JSON texts for any place of a document; some are no JSON. */
const ODD_JSON = [
  "null",
  "true",
  "0",
  "-0",
  "-1",
  "0.1",
  "1e999",
  "-1e999",
  "1e-999",
  "1e21",
  "9007199254740993",
  "[]",
  "{}",
  "[[]]",
  "[null]",
  '{"":""}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{}}}',
  '{"toString":null,"length":-1}',
  '{"a":1,"a":2}',
  '"\\ud800"',
  '"\\u0000"',
  "NaN",
  "01",
  "",
  "[".repeat(100) + "]".repeat(100),
  "[".repeat(20_000) + "]".repeat(20_000),
  '{"a":'.repeat(5_000) + "1" + "}".repeat(5_000),
  `[${"0,".repeat(10_000)}0]`,
] as const;

export function oddJson(random: Random): string {
  return random.chance(0.5) ? random.pick(ODD_JSON) : JSON.stringify(oddText(random));
}

/** Bytes of a text in which something is broken. */
export function brokenBytes(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text);
  switch (random.below(5)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length + 1));
    case 1:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    case 2:
      return Buffer.from(bytes.map((byte: number) => (random.chance(0.05) ? random.below(256) : byte)));
    case 3:
      return Buffer.from([0x1f, 0x8b, 8, 0, ...bytes]);
    default:
      return Buffer.from(random.spliced(text, random.pick(["\u0000", ",", "}", "\\", '"', "\ud800"])));
  }
}
