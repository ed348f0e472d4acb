import { describe, expect, it } from "vitest";
import { parseVideo } from "../../../src/core/stream/rules/parse-video.ts";

const UID = "0123456789abcdef0123456789abcdef";
const video = (more: object = {}) => ({ uid: UID, status: { state: "ready" }, duration: 5, ...more });

describe("parseVideo", () => {
  it.each(["../tokens", "..", "a/b", `${UID}/captions`, `${UID}?x=1`, UID.slice(1), ""])(
    "returns undefined when the uid is not safe in a path: %j",
    (uid) => expect(parseVideo(video({ uid }))).toBeUndefined(),
  );

  it("reads the uid from id when uid is absent", () => {
    expect(parseVideo(video({ uid: null, id: UID }))).toMatchObject({ report: { uid: UID } });
  });

  it.each([
    [-1, undefined],
    [0, undefined],
    [30, 30],
  ])("reads maxDurationSeconds %j as %j", (value, expected) => {
    expect(parseVideo(video({ maxDurationSeconds: value }))?.maxDurationSeconds).toBe(expected);
  });

  it("omits duration and size when they are unknown (-1)", () => {
    expect(parseVideo(video({ duration: -1, size: -1 }))?.report).toEqual({ kind: "ready", uid: UID });
  });

  it.each(["acme", "acme/", "/one", "Acme/one", "acme/one/more", 5, null])("reads no tag from %j", (sluice) => {
    expect(parseVideo(video({ meta: { sluice } }))).not.toHaveProperty("tag");
  });

  it.each(["duration", "size", "maxDurationSeconds"])(
    "returns undefined when %s is infinite, which would corrupt the totals",
    (name) => {
      expect(parseVideo(video({ [name]: Number.POSITIVE_INFINITY }))).toBeUndefined();
    },
  );

  it.each([
    [12.3456, 12.346],
    [12.0004, 12],
    [7, 7],
  ])("rounds a duration of %j s to whole milliseconds: %j s", (duration, seconds) => {
    expect(parseVideo(video({ duration, maxDurationSeconds: duration }))).toMatchObject({
      report: { seconds },
      maxDurationSeconds: seconds,
    });
  });

  it("truncates the reason of a failure, since the webhook event must fit into a queue message", () => {
    const report = parseVideo(video({ status: { state: "error", errorReasonCode: "E".repeat(200_000) } }))?.report;
    expect(report).toMatchObject({ kind: "failed", reason: expect.stringMatching(/^E{10,100}…$/) });
  });
});
