import { describe, expect, it } from "vitest";
import type { Upload, UploadState } from "../../../src/core/uploads/rules/upload-state.ts";
import { forClients, videoDocument } from "../../../src/core/stream/rules/video-document.ts";
import { NOON } from "../../support/policy-fixtures.ts";

function upload(state: UploadState, more: Partial<Upload> = {}): Upload {
  const times = { created: NOON, expires: NOON + 1_800 };
  return { id: "u", uid: "0".repeat(32), state, bytes: 900, seconds: 60, rounds: 0, ...times, ...more };
}

describe("videoDocument", () => {
  it("takes state, size and creation time from the ledger", () => {
    const lastVideo = { created: "2020-01-01T00:00:00Z", duration: 1, size: 2, readyToStream: false, thumbnail: "t" };
    expect(videoDocument({ ...upload("ready"), video: lastVideo })).toMatchObject({
      created: "2026-11-22T12:00:00.000Z",
      uploadExpiry: "2026-11-22T12:30:00.000Z",
      duration: 60,
      size: 900,
      readyToStream: true,
      thumbnail: "t",
    });
  });

  it("has an unknown duration and no size until the upload is ready", () => {
    const document = videoDocument(upload("issued"));
    expect(document).toMatchObject({ duration: -1, maxDurationSeconds: 60, readyToStream: false });
    expect(document).not.toHaveProperty("size");
  });

  it.each<[UploadState, last: string | undefined, shown: string]>([
    ["issued", undefined, "pendingupload"],
    ["issued", "inprogress", "inprogress"],
    ["issued", "ready", "pendingupload"],
    ["issued", "error", "pendingupload"],
    ["ready", "inprogress", "ready"],
    ["failed", "inprogress", "error"],
  ])("shows an upload that is %s, with last status %s, as %s", (state, last, shown) => {
    const video = last === undefined ? {} : { status: { state: last, pctComplete: "5" } };
    expect(videoDocument({ ...upload(state), video })?.status).toEqual({ ...video.status, state: shown });
  });

  it.each<UploadState>(["reserved", "unknown", "expired", "cancelled", "deleted"])(
    "returns undefined when the upload is %s",
    (state) => {
      expect(videoDocument(upload(state))).toBeUndefined();
    },
  );

  it("includes the reason of a failure", () => {
    expect(videoDocument(upload("failed", { failure: "ERR_NON_VIDEO" }))?.status).toEqual({
      errorReasonCode: "ERR_NON_VIDEO",
      state: "error",
    });
  });
});

describe("forClients", () => {
  it("leaves out the tag, and the links that Stream has fetched a copy and a watermark from", () => {
    const link = "https://files.example/1?signature=secret";
    const video = {
      uid: "v",
      meta: { name: "n", sluice: "acme/u/mac", "downloaded-from": link },
      watermark: { uid: "w", downloadedFrom: link },
    };
    const shown = { uid: "v", meta: { name: "n" }, watermark: { uid: "w" } };
    expect(forClients(video)).toEqual(shown);
    expect(videoDocument({ ...upload("issued"), video })).toMatchObject({
      meta: shown.meta,
      watermark: shown.watermark,
    });
    expect(JSON.stringify(videoDocument({ ...upload("issued"), video }))).not.toContain("secret");
    expect(forClients({ uid: "v", meta: "?", watermark: null })).toEqual({ uid: "v", meta: "?", watermark: null });
  });
});
