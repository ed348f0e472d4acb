import { describe, expect, it } from "vitest";
import { refuseUnplayable } from "../../../src/core/playback/rules/playable.ts";
import { UPLOAD_STATES, type Upload } from "../../../src/core/uploads/rules/upload-state.ts";

const codeOf = (upload: Pick<Upload, "state" | "uid" | "source">) => refuseUnplayable(upload)?.code;

describe("refuseUnplayable", () => {
  it("gives tokens before a video is processed, and never after its end", () => {
    const codes = UPLOAD_STATES.map((state) => [state, codeOf({ state, uid: "uid" })]);
    expect(Object.fromEntries(codes)).toEqual({
      reserved: "upload_not_ready",
      unknown: "upload_not_ready",
      issued: undefined,
      ready: undefined,
      expired: "upload_not_playable",
      failed: "upload_not_playable",
      cancelled: "upload_not_playable",
      deleted: "upload_not_playable",
    });
  });

  it("gives a copy's only once it was checked, and a clip's at once", () => {
    expect(codeOf({ state: "issued", uid: "uid", source: "copy" })).toBe("upload_not_ready");
    expect(codeOf({ state: "ready", uid: "uid", source: "copy" })).toBeUndefined();
    expect(codeOf({ state: "issued", uid: "uid", source: "clip" })).toBeUndefined();
  });

  it("needs a uid", () => {
    expect(codeOf({ state: "issued" })).toBe("upload_not_ready");
  });
});
