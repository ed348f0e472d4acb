import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { SLUICE_KEY } from "../../../src/core/policy/rules/reserved-keys.ts";
import { clipSchema, correctClip, readClip, writeClip } from "../../../src/core/uploads/rules/clip.ts";
import { copySchema, readCopy, writeCopy } from "../../../src/core/uploads/rules/copy.ts";
import type { CreationRequest } from "../../../src/core/uploads/rules/creation-request.ts";
import { NOON, STREAM_BOUNDS, policyOf } from "../../support/policy-fixtures.ts";

const LINK = "https://bucket.example.com/videos/Cats.MP4?X-Amz-Signature=5ca1ab1e#t";
const TAG = "acme/018f/0123456789abcdef";

const parse = (body: unknown, allowLoopback = false) => v.safeParse(copySchema(allowLoopback), body);
const read = (body: object) => {
  const request = readCopy(v.parse(copySchema(false), body), "header-creator");
  if (!request.ok) throw new Error(request.problem.detail);
  return request.value;
};
const clipOf = (body: object = {}): CreationRequest => {
  const json = v.parse(clipSchema, { startTimeSeconds: 5, endTimeSeconds: 15, ...body });
  const request = readClip("parent", json, undefined);
  if (!request.ok) throw new Error(request.problem.detail);
  return request.value;
};

function decide(creation: CreationRequest, document: object) {
  const clip = creation.kind === "clip" ? creation.clip : undefined;
  const caller = { tenant: "acme", kind: "api-key" as const };
  return applyPolicy([policyOf(document)], {
    length: 1_000,
    ...creation,
    ...(clip && { clipSeconds: clip.endSeconds - clip.startSeconds }),
    caller,
    now: NOON,
    bounds: STREAM_BOUNDS,
  }).result;
}

describe("copySchema", () => {
  it.each([
    ["https://a.example.com/b.mp4"],
    [LINK],
    [`https://a.example.com/b.mp4?${"x".repeat(4_000)}`],
    ["https://a.example.com:8443/b"],
  ])("accepts %s", (input) => {
    expect(parse({ input })).toMatchObject({ success: true });
    expect(parse({ url: input })).toMatchObject({ success: true });
  });

  it.each([
    "http://a.example.com/b.mp4",
    "https://10.0.0.1/b.mp4",
    "https://[::1]/b.mp4",
    "https://0x7f.1/b.mp4",
    "https://localhost/b.mp4",
    "https://db.internal/b.mp4",
    "https://user@a.example.com/b.mp4",
    "https://a.example.com\\@b.example.com/",
    "https://a.example.com/ b.mp4",
    `https://a.example.com/${"x".repeat(4_100)}`,
    "ftp://a.example.com/b.mp4",
    "cats.mp4",
    "",
  ])("refuses %s, and does not repeat it", (input) => {
    const parsed = parse({ input });
    expect(parsed.success).toBe(false);
    if (input !== "") expect(parsed.issues?.[0].message).not.toContain(input);
  });

  it.each([
    [{}],
    [{ input: LINK, url: LINK }],
    [{ input: LINK, expiry: "2030-01-01T00:00:00Z" }],
    [{ input: LINK, bytes: 0 }],
    [{ input: LINK, bytes: 1.5 }],
    [{ input: LINK, meta: { allowedOrigins: "x" } }],
  ])("refuses %j", (body) => {
    expect(parse(body).success).toBe(false);
  });
});

describe("readCopy", () => {
  it("reads the options of the body, and the name of the file", () => {
    const body = { input: LINK, bytes: 5, name: "Cats", creator: "u1", meta: { note: 1 }, requireSignedURLs: true };
    expect(read(body)).toEqual({
      kind: "copy",
      url: LINK,
      fileName: "Cats.MP4",
      length: 5,
      creator: "u1",
      metadata: new Map([
        ["name", "Cats"],
        ["requiresignedurls", ""],
        ["note", "1"],
      ]),
    });
    expect(read({ url: LINK }).creator).toBe("header-creator");
  });

  it("refuses two names", () => {
    const request = readCopy(v.parse(copySchema(false), { input: LINK, name: "a", meta: { name: "b" } }), undefined);
    expect(request).toMatchObject({ ok: false, problem: { code: "upload_metadata_invalid" } });
  });
});

describe("writeCopy", () => {
  it("sends no maximum duration and no expiry, which Stream does not take", () => {
    const metadata = new Map([
      ["name", "Cats"],
      ["maxdurationseconds", "60"],
      ["requiresignedurls", ""],
      [SLUICE_KEY, TAG],
    ]);
    expect(writeCopy(LINK, metadata, "u1")).toEqual({
      input: LINK,
      creator: "u1",
      requireSignedURLs: true,
      meta: { name: "Cats", [SLUICE_KEY]: TAG },
    });
  });
});

describe("a policy, for a copy", () => {
  it("has nothing to say about its expiry", () => {
    const result = decide(read({ input: LINK }), { metadata: { expiry: { required: true, max: "PT5M" } } });
    expect(result).toMatchObject({ ok: true, value: { expiresAt: NOON + 540 } });
    expect(result.ok && [...result.value.metadata.keys()]).not.toContain("expiry");
  });

  it.each([
    [["video/mp4"], "a.mp4", true],
    [["video/*"], "a.MOV", true],
    [[".mp4"], "a.mp4", true],
    [["video/mp4"], "a.mov", false],
    [["video/*"], "a.exe", false],
    [["video/*"], "a", false],
    [[".mp4"], "mp4", false],
    [["video/*"], "constructor", false],
  ])("with fileTypes %j judges %s: %s", (fileTypes, name, accepted) => {
    const copy = read({ input: `https://a.example.com/x.mp4/${name}?x=.mp4` });
    const result = decide(copy, { upload: { fileTypes } });
    expect(result.ok).toBe(accepted);
    if (!result.ok) expect(result.problem).toMatchObject({ code: "file_type_not_allowed" });
    expect(JSON.stringify(result)).not.toContain("a.example.com");
  });

  it("also judges the type that the client declares", () => {
    const copy = read({ input: "https://a.example.com/a.mp4", meta: { filetype: "video/webm" } });
    expect(decide(copy, { upload: { fileTypes: ["video/mp4"] } })).toMatchObject({ ok: false });
  });
});

describe("a policy, for a clip", () => {
  it("reserves its length, whatever the default is", () => {
    const maxdurationseconds = { default: 5, max: 60 };
    expect(decide(clipOf(), { metadata: { maxdurationseconds } })).toMatchObject({
      ok: true,
      value: { maxDurationSeconds: 10 },
    });
  });

  it.each([
    [{ max: 9 }],
    [{ force: 9 }],
    [{ max: 9, onViolation: "clamp" }],
    [{ max: 9, onViolation: "drop", default: 9 }],
    [{ deny: true, default: 9 }],
  ])("bounds its length: %j", (maxdurationseconds) => {
    expect(decide(clipOf(), { metadata: { maxdurationseconds } })).toMatchObject({
      ok: false,
      problem: { code: "policy_violation" },
    });
  });

  it.each([[{ force: 60 }], [{ deny: true, default: 60 }], [{ max: 10 }]])("allows it: %j", (maxdurationseconds) => {
    expect(decide(clipOf(), { metadata: { maxdurationseconds } })).toMatchObject({
      ok: true,
      value: { maxDurationSeconds: 10 },
    });
  });

  it("needs no file and no type", () => {
    expect(decide(clipOf(), { upload: { minBytes: 5_000, fileTypes: ["video/mp4"] } })).toMatchObject({ ok: true });
  });
});

describe("correctClip", () => {
  const metadata = new Map([
    ["name", "Cats"],
    ["requiresignedurls", ""],
    ["allowedorigins", "a.example,b.example"],
    ["scheduleddeletion", "2026-12-31T00:00:00Z"],
    ["thumbnailtimestamppct", "0.5"],
    [SLUICE_KEY, TAG],
  ]);
  const decided = writeClip({ of: "parent", startSeconds: 0, endSeconds: 10 }, metadata, "u1");
  const shown = { ...decided, scheduledDeletion: "2026-12-31T00:00:00.000Z", uid: "x" };

  it("has nothing to set if Stream shows what was decided", () => {
    expect(correctClip(decided, shown)).toBeUndefined();
    const plain = writeClip({ of: "parent", startSeconds: 0, endSeconds: 10 }, new Map([[SLUICE_KEY, TAG]]), undefined);
    expect(correctClip(plain, { meta: { [SLUICE_KEY]: TAG }, creator: null, allowedOrigins: [] })).toBeUndefined();
  });

  it.each([
    ["requireSignedURLs", false, true],
    ["allowedOrigins", [], ["a.example", "b.example"]],
    ["scheduledDeletion", null, "2026-12-31T00:00:00Z"],
    ["thumbnailTimestampPct", 0, 0.5],
    ["creator", null, "u1"],
    ["meta", { name: "Parent", [SLUICE_KEY]: "acme/other/0123456789abcdef" }, decided.meta],
    ["meta", { ...decided.meta, more: 1 }, decided.meta],
  ])("sets %s where Stream shows %j", (member, found, wanted) => {
    expect(correctClip(decided, { ...shown, [member]: found })).toEqual({ [member]: wanted });
  });

  it("once it is set, a clip is as it was decided, whatever it took over", () => {
    const options = fc.record(
      {
        requireSignedURLs: fc.boolean(),
        allowedOrigins: fc.array(fc.constantFrom("a.example", "b.example", "*.c.example")),
        scheduledDeletion: fc.option(fc.constantFrom("2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z")),
        thumbnailTimestampPct: fc.constantFrom(0, 0.25, 0.5),
        creator: fc.option(fc.constantFrom("u1", "u2")),
        meta: fc.dictionary(fc.constantFrom("name", "note", SLUICE_KEY), fc.string()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(options, (inherited) => {
        const correction = correctClip(decided, inherited);
        expect(correctClip(decided, { ...inherited, ...correction })).toBeUndefined();
      }),
    );
  });
});
