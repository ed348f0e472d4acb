import { describe, expect, it } from "vitest";
import { splitIntoBatches } from "../../../src/core/webhooks/rules/batch-messages.ts";

describe("splitIntoBatches", () => {
  const limits = { messages: 3, bytes: 100, overheadBytes: 10 };

  it("returns no batch for no messages", () => {
    expect(splitIntoBatches([], limits)).toEqual([]);
  });

  it("keeps the order and fills each batch up to the number of messages", () => {
    expect(splitIntoBatches([1, 2, 3, 4, 5, 6, 7], limits)).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });

  it("starts a new batch when the bytes exceed the limit", () => {
    // 2 bytes per letter, quotes and overhead: 50 bytes each.
    const long = "ä".repeat(19);
    expect(splitIntoBatches([long, long, 1, long, long], limits)).toEqual([[long, long], [1, long], [long]]);
  });

  it("gives a message above the limit its own batch", () => {
    const tooLong = "x".repeat(1_000);
    expect(splitIntoBatches([tooLong, 1], limits)).toEqual([[tooLong], [1]]);
  });
});
