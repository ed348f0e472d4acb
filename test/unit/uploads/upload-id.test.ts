import { v7 } from "uuid";
import { describe, expect, it } from "vitest";
import { MAX_ID, UPLOAD_ID, lowerBoundAt, timestampOf } from "../../../src/core/uploads/rules/upload-id.ts";
import { NOON } from "../../support/policy-fixtures.ts";

/** The lowest and the highest id of a millisecond. */
const first = (msecs: number) => v7({ msecs, seq: 0, random: new Uint8Array(16) });
const last = (msecs: number) => v7({ msecs, seq: 0xffff_ffff, random: new Uint8Array(16).fill(255) });

describe("upload ids", () => {
  it("contain the second of their creation", () => {
    for (const msecs of [NOON * 1000, NOON * 1000 + 999])
      expect([first(msecs), last(msecs)].map(timestampOf)).toEqual([NOON, NOON]);
  });

  it.each([0, 1, 1_000_000, NOON])("sort after the lower bound of their second: %d s", (second) => {
    const between = lowerBoundAt(second);
    expect(first(second * 1000) > between).toBe(true);
    if (second > 0) expect(last(second * 1000 - 1) < between).toBe(true);
    expect(last(second * 1000) < MAX_ID).toBe(true);
  });

  it("all sort after a time before 1970", () => {
    expect(lowerBoundAt(-1)).toBe(lowerBoundAt(0));
  });

  it("have one canonical form", () => {
    const id = v7();
    expect(UPLOAD_ID.test(id)).toBe(true);
    for (const other of [
      id.toUpperCase().replace(/^./, "A"),
      ` ${id}`,
      `${id}0`,
      id.slice(1),
      id.replaceAll("-", ""),
      "",
    ])
      expect(UPLOAD_ID.test(other), other).toBe(false);
  });
});
