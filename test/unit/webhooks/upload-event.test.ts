import { describe, expect, it } from "vitest";
import { UPLOAD_STATES, type Upload } from "../../../src/core/uploads/rules/upload-state.ts";
import { UPLOAD_EVENT_TYPES, uploadDocument, uploadEvent } from "../../../src/core/webhooks/rules/upload-event.ts";

const UPLOAD: Upload = {
  id: "u",
  state: "issued",
  created: 0,
  expires: 1_800,
  rounds: 0,
  bytes: 900,
  seconds: 12.5,
};

describe("uploadEvent", () => {
  it("returns one type of event per state, and none for a state before the upload URL exists", () => {
    const types = UPLOAD_STATES.map((state) => [state, uploadEvent("acme", { ...UPLOAD, state }, 60)?.type]);
    expect(types).toEqual([
      ["reserved", undefined],
      ["unknown", undefined],
      ["issued", "upload.created"],
      ["expired", "upload.expired"],
      ["failed", "upload.failed"],
      ["ready", "upload.ready"],
      ["cancelled", "upload.cancelled"],
      ["deleted", "upload.deleted"],
    ]);
  });

  it("numbers the events of an upload in the order of its states", () => {
    const events = UPLOAD_STATES.flatMap((state) => uploadEvent("acme", { ...UPLOAD, state }, 60) ?? []);
    expect(events.map(({ data }) => data.sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(["upload.updated", ...events.map(({ type }) => type)]).toEqual([...UPLOAD_EVENT_TYPES]);
  });

  it("numbers edits between the states: what follows one has a higher number, and what came before a lower one", () => {
    const numberOf = (state: Upload["state"], rounds: number, type?: "upload.updated") =>
      uploadEvent("acme", { ...UPLOAD, state, rounds }, 60, type)?.data.sequence;
    expect([
      numberOf("issued", 0),
      numberOf("issued", 1, "upload.updated"),
      numberOf("ready", 1),
      numberOf("ready", 2, "upload.updated"),
      numberOf("deleted", 2),
      numberOf("ready", 3),
      numberOf("ready", 4, "upload.updated"),
      numberOf("deleted", 4),
    ]).toEqual([1, 6, 10, 12, 18, 22, 24, 30]);
  });

  it("continues the numbers when a video is restored", () => {
    const restored = uploadEvent("acme", { ...UPLOAD, state: "ready", rounds: 1 }, 60);
    expect(restored?.data.sequence).toBe(10);
  });
});

describe("uploadDocument", () => {
  it("contains the public fields only, and times as RFC 3339", () => {
    const record = {
      ...UPLOAD,
      uid: "v",
      creator: "user-1",
      failure: "ERR_NON_VIDEO",
      upstream: "eu",
      deletionRequested: true,
    };
    expect(uploadDocument(record)).toEqual({
      id: "u",
      state: "issued",
      uid: "v",
      creator: "user-1",
      bytes: 900,
      seconds: 12.5,
      createdAt: "1970-01-01T00:00:00.000Z",
      expiresAt: "1970-01-01T00:30:00.000Z",
      failure: "ERR_NON_VIDEO",
    });
  });

  it("contains what ties the upload to the backend's record", () => {
    const correlation = {
      name: "cats.mp4",
      meta: { project: "p1" },
      grant: "jti-1",
      reference: "order 7",
      idempotencyKey: "k",
    };
    expect(uploadDocument({ ...UPLOAD, ...correlation })).toMatchObject(correlation);
    for (const name of Object.keys(correlation)) expect(uploadDocument(UPLOAD)).not.toHaveProperty(name);
  });

  it("says how to show the video of a ready upload only", () => {
    const video = { thumbnail: "https://t.example/1.jpg", requireSignedURLs: true };
    const shown = { thumbnail: "https://t.example/1.jpg", signed: true };
    for (const state of UPLOAD_STATES) {
      const document = uploadDocument({ ...UPLOAD, state, video });
      if (state === "ready") expect(document).toMatchObject(shown);
      else expect(document).not.toHaveProperty("thumbnail");
    }
  });
});
