import * as v from "valibot";
import { describe, expect, it } from "vitest";
import {
  mergePublicDetails,
  optionsOf,
  readVideoEdit,
  videoEditSchema,
  writeVideoEdit,
} from "../../../src/core/uploads/rules/video-edit.ts";
import { readDirectUpload } from "../../../src/core/uploads/rules/direct-upload.ts";

/** The changes by policy key, or the code of the refusal. */
function read(body: unknown): unknown {
  const parsed = v.safeParse(videoEditSchema, body);
  if (!parsed.success) return parsed.issues[0].message;
  const edit = readVideoEdit(parsed.output);
  if (!edit.ok) return edit.problem.code;
  const { metadata, ...more } = edit.value;
  return { ...Object.fromEntries(metadata.changes), ...(metadata.clearsMeta && { clearsMeta: true }), ...more };
}

describe("readVideoEdit", () => {
  it("reads every field into metadata by policy key", () => {
    const body = {
      uid: "u",
      meta: { name: "n", Project: "p", count: 3, on: true, gone: null },
      requireSignedURLs: true,
      allowedOrigins: ["a.com", "b.com"],
      thumbnailTimestampPct: 1e-7,
      scheduledDeletion: "2027-01-01T00:00:00Z",
      maxDurationSeconds: 60,
      uploadExpiry: "2026-12-01T00:00:00Z",
      creator: "c",
      publicDetails: { title: "t", logo: null },
    };
    expect(read(body)).toEqual({
      uid: "u",
      name: "n",
      project: "p",
      count: "3",
      on: "true",
      gone: null,
      requiresignedurls: "",
      allowedorigins: "a.com,b.com",
      thumbnailtimestamppct: "0.000000",
      scheduleddeletion: "2027-01-01T00:00:00Z",
      maxdurationseconds: "60",
      expiry: "2026-12-01T00:00:00Z",
      creator: "c",
      publicDetails: { title: "t", logo: null },
    });
  });

  it("reads null, an empty list or text, and a flag that is off as removals", () => {
    expect(read({ requireSignedURLs: false, allowedOrigins: [], scheduledDeletion: "", uploadExpiry: "" })).toEqual({
      requiresignedurls: null,
      allowedorigins: null,
      scheduleddeletion: null,
      expiry: null,
    });
    const names = ["requireSignedURLs", "allowedOrigins", "thumbnailTimestampPct", "maxDurationSeconds"];
    const nulls = Object.fromEntries(names.map((name) => [name, null]));
    expect(read(nulls)).toEqual(Object.fromEntries(names.map((name) => [name.toLowerCase(), null])));
    expect(read({ meta: null, creator: null, publicDetails: null, uid: null })).toEqual({
      clearsMeta: true,
      creator: null,
      publicDetails: null,
    });
    expect(read({})).toEqual({});
  });

  it("replaces lone surrogates, as a creation does", () => {
    const [tag, project] = ["a\ud800b", "\u{1f600}"];
    const creation = readDirectUpload({ meta: { tag, project } }, undefined);
    expect(read({ meta: { tag, project } })).toEqual(Object.fromEntries(creation.ok ? creation.value.metadata : []));
  });

  it("ignores the reserved keys, in any case", () => {
    expect(read({ meta: { sluice: "acme/1", Sluice: null, GRANT: "jwt", name: "n" } })).toBe("upload_metadata_invalid");
    expect(read({ meta: { SLUICE: "acme/1", grant: "jwt", name: "n" } })).toEqual({ name: "n" });
  });

  it.each<[body: unknown, refusal: RegExp]>([
    [{ watermark: { uid: "w" } }, /unknown field/],
    [{ maxdurationseconds: 5 }, /nearest: "maxDurationSeconds"/],
    [[], /must be an object/],
    [{ meta: [] }, /must be an object/],
    [{ meta: { a: {} } }, /must be a string, a number or a boolean/],
    [{ meta: { scheduledDeletion: "x" } }, /is a Stream option/],
    [{ meta: { "two words": "x" } }, /printable ASCII/],
    [{ meta: { name: "a", Name: "b" } }, /^upload_metadata_invalid$/],
    [{ meta: { a: "x".repeat(13_000) } }, /^upload_metadata_too_large$/],
    [
      { meta: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, null])) },
      /^upload_metadata_too_large$/,
    ],
    [{ publicDetails: { share_link: "javascript:alert(1)" } }, /http or https URL/],
    [{ publicDetails: { logo: "https:evil" } }, /http or https URL/],
    [{ publicDetails: { title: "x".repeat(201) } }, /1 to 200 printable/],
    [{ publicDetails: { media_id: 1 } }, /unknown field/],
    [{ allowedOrigins: "a.com" }, /Array/],
    [{ requireSignedURLs: "true" }, /boolean/],
  ])("refuses %j", (body, refusal) => {
    expect(read(body)).toMatch(refusal);
  });
});

describe("optionsOf", () => {
  it("reads the options that are set, and nothing of another type", () => {
    const video = {
      requireSignedURLs: true,
      allowedOrigins: ["a.com", 7, "b.com"],
      thumbnailTimestampPct: 0.25,
      scheduledDeletion: "2027-01-01T00:00:00.123Z",
    };
    expect(Object.fromEntries(optionsOf(video))).toEqual({
      requiresignedurls: "",
      allowedorigins: "a.com,b.com",
      thumbnailtimestamppct: "0.25",
      scheduleddeletion: "2027-01-01T00:00:00Z",
    });
    for (const other of [null, 0, "x", {}, [], false])
      expect(
        optionsOf({
          requireSignedURLs: other,
          allowedOrigins: other,
          thumbnailTimestampPct: other,
          scheduledDeletion: other,
        }),
      ).toEqual(new Map());
  });
});

describe("mergePublicDetails", () => {
  const current = { title: "t", share_link: "https://a.com", channel_link: "", media_id: 7, logo: 5 };

  it("merges a change into what Stream has, and sends the whole of it", () => {
    const before = { title: "t", share_link: "https://a.com", channel_link: null, logo: null };
    expect(mergePublicDetails(current, { title: "new" })).toEqual({ ...before, title: "new" });
    expect(mergePublicDetails(current, { title: null, share_link: "" })).toEqual({
      ...before,
      title: null,
      share_link: null,
    });
    expect(mergePublicDetails(current, null)).toEqual({ ...before, title: null, share_link: null });
    expect(mergePublicDetails(undefined, { logo: "https://a.com/l.png" })).toMatchObject({
      logo: "https://a.com/l.png",
    });
  });

  it("changes nothing where nothing differs", () => {
    expect(mergePublicDetails(current, undefined)).toBeUndefined();
    expect(mergePublicDetails(current, { title: "t", channel_link: null })).toBeUndefined();
    expect(mergePublicDetails(undefined, null)).toBeUndefined();
  });
});

describe("writeVideoEdit", () => {
  it("writes what changes, in Stream's form, and the tag with the whole of meta", () => {
    const options = new Map([
      ["requiresignedurls", ""],
      ["allowedorigins", "a.com,b.com"],
      ["thumbnailtimestamppct", "0.5"],
      ["scheduleddeletion", undefined],
    ] as const);
    const more = { seconds: 60, expires: 1_800_000_000, creator: "", publicDetails: { title: null } };
    expect(writeVideoEdit({ options, meta: { name: "n" }, ...more }, "tag")).toEqual({
      requireSignedURLs: true,
      allowedOrigins: ["a.com", "b.com"],
      thumbnailTimestampPct: 0.5,
      scheduledDeletion: null,
      meta: { name: "n", sluice: "tag" },
      maxDurationSeconds: 60,
      uploadExpiry: "2027-01-15T08:00:00Z",
      creator: "",
      publicDetails: { title: null },
    });
  });

  it("writes the removal of an option as what Stream reads as its absence", () => {
    const options = new Map([
      ["requiresignedurls", undefined],
      ["allowedorigins", undefined],
      ["thumbnailtimestamppct", undefined],
    ] as const);
    expect(writeVideoEdit({ options }, "tag")).toEqual({
      requireSignedURLs: false,
      allowedOrigins: [],
      thumbnailTimestampPct: 0,
    });
  });

  it("writes nothing if nothing changes", () => {
    expect(writeVideoEdit({ options: new Map() }, "tag")).toBeUndefined();
  });
});
