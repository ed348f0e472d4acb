import { describe, expect, it } from "vitest";
import { describeMetadata, idempotencyKeyIn } from "../../../src/core/uploads/rules/correlation.ts";

describe("describeMetadata", () => {
  it("returns the name, and the custom keys without Stream's own and the gateway's", () => {
    const metadata = { name: "cats", maxdurationseconds: "60", expiry: "…", project: "p1", sluice: "acme/1", tag: "" };
    expect(describeMetadata(Object.entries(metadata))).toEqual({ name: "cats", meta: { project: "p1", tag: "" } });
  });

  it("returns nothing for no metadata, and ignores what is not text", () => {
    expect(describeMetadata([])).toEqual({});
    expect(describeMetadata([["name", 5]])).toEqual({});
  });

  it("leaves out what is too long: the custom keys first", () => {
    const [long, longer] = ["x".repeat(8_000), "x".repeat(9_000)];
    const described = (name: string, project: string) => describeMetadata(Object.entries({ name, project }));
    expect(described("cats", long)).toEqual({ name: "cats", meta: { project: long } });
    expect(described("cats", longer)).toEqual({ name: "cats" });
    expect(described(long, "x".repeat(1_000))).toEqual({ name: long });
    expect(described(longer, "p1")).toEqual({ meta: { project: "p1" } });
  });
});

describe("idempotencyKeyIn", () => {
  it.each([
    ['["tenant","","k 1"]', "f", "k 1"],
    ['["tenant","user-1","k"]', "f", "k"],
    ['["grant","jti","k"]', "f", "k"],
    ['["grant","jti","f"]', "f", undefined],
    ['["grant","jti"]', "f", undefined],
    ['["api-key","c1","k"]', null, "k"],
    ["another form", "f", undefined],
  ])("reads in the ledger's key %s with the fingerprint %s: %s", (key, fingerprint, expected) => {
    expect(idempotencyKeyIn(key, fingerprint)).toBe(expected);
  });
});
