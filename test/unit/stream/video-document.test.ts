import { describe, expect, it } from "vitest";
import type { Upload, UploadState } from "../../../src/core/uploads/rules/upload-state.ts";
import { videoDocument } from "../../../src/core/stream/rules/video-document.ts";
import { NOON } from "../../support/policy-fixtures.ts";

function upload(state: UploadState, more: Partial<Upload> = {}): Upload {
  const times = { created: NOON, expires: NOON + 1_800 };
  return { id: "u", uid: "0".repeat(32), state, bytes: 900, seconds: 60, restoredCount: 0, ...times, ...more };
}

describe("an upload as a video of Stream's", () => {
  it("has the ledger's state, size and time of creation, whatever was seen last", () => {
    const seen = { created: "2020-01-01T00:00:00Z", duration: 1, size: 2, readyToStream: false, thumbnail: "t" };
    expect(videoDocument({ ...upload("ready"), video: seen })).toMatchObject({
      created: "2026-11-22T12:00:00.000Z",
      uploadExpiry: "2026-11-22T12:30:00.000Z",
      duration: 60,
      size: 900,
      readyToStream: true,
      thumbnail: "t",
    });
  });

  it("has a duration that is not known, and no size, until it is ready", () => {
    const document = videoDocument(upload("issued"));
    expect(document).toMatchObject({ duration: -1, maxDurationSeconds: 60, readyToStream: false });
    expect(document).not.toHaveProperty("size");
  });

  it.each<[UploadState, seen: string | undefined, shown: string]>([
    ["issued", undefined, "pendingupload"],
    ["issued", "inprogress", "inprogress"],
    ["issued", "ready", "pendingupload"],
    ["issued", "error", "pendingupload"],
    ["ready", "inprogress", "ready"],
    ["failed", "inprogress", "error"],
  ])("is %s, was seen as %s, and is shown as %s", (state, seen, shown) => {
    const video = seen === undefined ? {} : { status: { state: seen, pctComplete: "5" } };
    expect(videoDocument({ ...upload(state), video })?.status).toEqual({ ...video.status, state: shown });
  });

  it.each<UploadState>(["reserved", "unknown", "expired", "cancelled", "deleted"])(
    "is none where it is %s",
    (state) => {
      expect(videoDocument(upload(state))).toBeUndefined();
    },
  );

  it("tells why it failed", () => {
    expect(videoDocument(upload("failed", { failure: "ERR_NON_VIDEO" }))?.status).toEqual({
      errorReasonCode: "ERR_NON_VIDEO",
      state: "error",
    });
  });
});
