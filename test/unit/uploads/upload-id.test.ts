import { v7 } from "uuid";
import { describe, expect, it } from "vitest";
import { MAX_ID, UPLOAD_ID, lowerBoundAt, timestampOf } from "../../../src/core/uploads/rules/upload-id.ts";
import { NOON } from "../../support/policy-fixtures.ts";

/** The first and the last id of a millisecond. */
const first = (msecs: number) => v7({ msecs, seq: 0, random: new Uint8Array(16) });
const last = (msecs: number) => v7({ msecs, seq: 0xffff_ffff, random: new Uint8Array(16).fill(255) });

describe("ids of uploads", () => {
  it("tell the second at which they were made", () => {
    for (const msecs of [NOON * 1000, NOON * 1000 + 999])
      expect([first(msecs), last(msecs)].map(timestampOf)).toEqual([NOON, NOON]);
  });

  it.each([0, 1, 1_000_000, NOON])("are told from earlier ones by a text that comes between: %d s", (second) => {
    const between = lowerBoundAt(second);
    expect(first(second * 1000) > between).toBe(true);
    if (second > 0) expect(last(second * 1000 - 1) < between).toBe(true);
    expect(last(second * 1000) < MAX_ID).toBe(true);
  });

  it("are all later than a time before 1970", () => {
    expect(lowerBoundAt(-1)).toBe(lowerBoundAt(0));
  });

  it("are written in one way", () => {
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
