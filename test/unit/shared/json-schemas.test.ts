import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { integer } from "../../../src/core/shared/fields.ts";
import { jsonObject } from "../../../src/core/shared/strict-object.ts";

const schema = jsonObject({ meta: v.optional(v.unknown()), seconds: v.optional(integer(1, 60)) });
const faultOf = (value: unknown) => v.safeParse(schema, value).issues?.[0].message;

describe("jsonObject", () => {
  it("names the nearest field, or else all of them", () => {
    expect(faultOf({ second: 1 })).toBe('unknown field (nearest: "seconds")');
    expect(faultOf({ title: "Lesson 3" })).toBe("unknown field (known: meta, seconds)");
  });
});

describe("integer", () => {
  it.each([
    [5.5, "must be a whole number (found: 5.5)"],
    [0, "must be at least 1 (found: 0)"],
    [61, "must be at most 60 (found: 61)"],
  ])("refuses %d", (seconds, detail) => {
    expect(faultOf({ seconds })).toBe(detail);
  });
});
