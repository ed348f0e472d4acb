import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  SIGNATURE_TOLERANCE_SECONDS,
  isWithinTolerance,
  parseStreamSignature,
} from "../../../src/core/stream/rules/webhook-signature.ts";

const MAC = "60493ec9388b44585a29543bcf0de62e377d4da393246a8b1c901d0e3e672404";
const PARSED = { time: "1230811200", signatureHex: MAC };

describe("parseStreamSignature", () => {
  it.each([
    ["in Cloudflare's format", `time=1230811200,sig1=${MAC}`],
    ["in another order", `sig1=${MAC},time=1230811200`],
    ["with signatures of other schemes", `time=1230811200,sig2=abc,sig1=${MAC},sig10=`],
  ])("parses a header %s", (_, header) => {
    expect(parseStreamSignature(header)).toEqual(PARSED);
  });

  it.each([
    ["nothing", ""],
    ["no time", `sig1=${MAC}`],
    ["no signature", "time=1230811200"],
    ["only one of another scheme", `time=1230811200,sig2=${MAC}`],
    ["two times", `time=1230811200,time=1230811200,sig1=${MAC}`],
    ["two signatures", `time=1230811200,sig1=${MAC},sig1=${MAC}`],
    ["two headers, as fetch joins them", `time=1230811200,sig1=${MAC}, time=1230811200,sig1=${MAC}`],
    ["a blank", `time=1230811200, sig1=${MAC}`],
    ["an empty part", `time=1230811200,,sig1=${MAC}`],
    ["a comma at the end", `time=1230811200,sig1=${MAC},`],
    ["an unknown name", `time=1230811200,sig1=${MAC},v=1`],
    ["a name that ends like one", `time=1230811200,sig1=${MAC},xsig2=abc`],
    ["another case", `Time=1230811200,sig1=${MAC}`],
    ["a name without a value", `time,sig1=${MAC}`],
    ["two values", `time=1=2,sig1=${MAC}`],
    ["a time that is not a number", `time=soon,sig1=${MAC}`],
    ["a negative time", `time=-1230811200,sig1=${MAC}`],
    ["a time with a fraction", `time=1230811200.5,sig1=${MAC}`],
    ["a time in scientific notation", `time=1e9,sig1=${MAC}`],
    ["a time that is too long", `time=1230811200000,sig1=${MAC}`],
    ["an empty time", `time=,sig1=${MAC}`],
    ["a short signature", `time=1230811200,sig1=${MAC.slice(2)}`],
    ["a long signature", `time=1230811200,sig1=${MAC}00`],
    ["a signature that is not hexadecimal", `time=1230811200,sig1=${MAC.slice(1)}g`],
  ])("rejects %s", (_, header) => {
    expect(parseStreamSignature(header)).toBeUndefined();
  });

  it("parses any header of Stream, and never throws on others", () => {
    const signatureHex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999 }), signatureHex, fc.boolean(), (time, mac, swapped) => {
        const parts = [`time=${time}`, `sig1=${mac}`];
        const header = (swapped ? parts.toReversed() : parts).join(",");
        expect(parseStreamSignature(header)).toEqual({ time: String(time), signatureHex: mac });
      }),
    );
    const piece = fc.constantFrom("time", "sig1", "sig2", "=", ",", "1230811200", MAC, " ", "\0");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (header) => {
          const read = parseStreamSignature(header);
          expect(read === undefined || (read.time !== "" && read.signatureHex.length === 64)).toBe(true);
        },
      ),
    );
  });
});

describe("isWithinTolerance", () => {
  it("accepts a difference of at most 300 seconds, either way", () => {
    const now = Number(PARSED.time);
    expect(SIGNATURE_TOLERANCE_SECONDS).toBe(300);
    expect([-301, -300, 0, 300, 301].map((age) => isWithinTolerance(PARSED, now + age))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});
