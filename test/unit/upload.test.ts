import { describe, expect, it } from "vitest";
import { UPLOAD_STATES, isLive, settleDue } from "../../src/domain/upload.ts";

const uid = "0123456789abcdef0123456789abcdef";

describe("an upload whose time is over", () => {
  it.each([
    [{ kind: "absent" }, { kind: "settle", state: "expired" }],
    [
      { kind: "pending", uid },
      { kind: "delete", uid },
    ],
    [{ kind: "processing", uid }, { kind: "wait" }],
    [
      { kind: "ready", uid, seconds: 12.5 },
      { kind: "settle", state: "ready", uid, seconds: 12.5 },
    ],
    [
      { kind: "failed", uid },
      { kind: "settle", state: "failed", uid },
    ],
  ] as const)("of which Stream says %j: %j", (report, settlement) => {
    expect(settleDue(report)).toEqual(settlement);
  });
});

it("holds a reservation while its URL is, or may be, alive", () => {
  expect(UPLOAD_STATES.filter(isLive)).toEqual(["reserved", "unknown", "issued"]);
});
