import { describe, expect, it } from "vitest";
import { parseVideo } from "../../../src/core/stream/rules/parse-video.ts";

/** What Stream says of a video: its parts go into URLs, rows and events later. */

const UID = "0123456789abcdef0123456789abcdef";
const video = (more: object = {}) => ({ uid: UID, status: { state: "ready" }, duration: 5, ...more });

describe("a video of Stream's", () => {
  it.each(["../tokens", "..", "a/b", `${UID}/captions`, `${UID}?x=1`, UID.slice(1), ""])(
    "has a uid that is safe in a path, unlike %j",
    (uid) => expect(parseVideo(video({ uid }))).toBeUndefined(),
  );

  it("may have its uid as id", () => {
    expect(parseVideo(video({ uid: null, id: UID }))).toMatchObject({ report: { uid: UID } });
  });

  it.each([
    [-1, undefined],
    [0, undefined],
    [30, 30],
  ])("may last at most %j s, where that is known", (given, read) => {
    expect(parseVideo(video({ maxDurationSeconds: given }))?.maxDurationSeconds).toBe(read);
  });

  it("has no length and no size where they are not known", () => {
    expect(parseVideo(video({ duration: -1, size: -1 }))?.report).toEqual({ kind: "ready", uid: UID });
  });

  it.each(["acme", "acme/", "/one", "Acme/one", "acme/one/more", 5, null])("has no tag in %j", (sluice) => {
    expect(parseVideo(video({ meta: { sluice } }))).not.toHaveProperty("tag");
  });

  it.each(["duration", "size", "maxDurationSeconds"])(
    "has a finite %s, or the totals would never be right again",
    (name) => {
      expect(parseVideo(video({ [name]: Number.POSITIVE_INFINITY }))).toBeUndefined();
    },
  );

  it.each([
    [12.3456, 12.346],
    [12.0004, 12],
    [7, 7],
  ])("of %j s lasts %j s: whole milliseconds", (duration, seconds) => {
    expect(parseVideo(video({ duration, maxDurationSeconds: duration }))).toMatchObject({
      report: { seconds },
      maxDurationSeconds: seconds,
    });
  });

  it("has failed for a reason of a few words: the event that tells of it has to fit into a queue", () => {
    const report = parseVideo(video({ status: { state: "error", errorReasonCode: "E".repeat(200_000) } }))?.report;
    expect(report).toMatchObject({ kind: "failed", reason: expect.stringMatching(/^E{10,100}…$/) });
  });
});
