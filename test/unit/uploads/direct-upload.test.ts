import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import {
  BASIC_UPLOAD_MAX_BYTES,
  type DirectUploadBody,
  directUploadSchema,
  readDirectUpload,
  writeDirectUpload,
} from "../../../src/core/uploads/rules/direct-upload.ts";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow, parsePolicy } from "../../../src/core/policy/rules/policy.ts";
import { readDirectUpload as readByStream, readTusCreation } from "../../../src/local-stream/rules.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { policyJson, policyRequest } from "../../support/policy-arbitraries.ts";
import { NOON, policyOf } from "../../support/policy-fixtures.ts";

const ALL: DirectUploadBody = {
  maxDurationSeconds: 60,
  expiry: "2026-11-22T13:00:00Z",
  creator: "user-1",
  meta: { name: "Cats", Project: "p1" },
  allowedOrigins: ["app.acme.com", "*.acme.com"],
  requireSignedURLs: true,
  scheduledDeletion: "2027-02-22T12:00:00Z",
  thumbnailTimestampPct: 0.5,
  watermark: { uid: "w1" },
};

function read(body: unknown, creator?: string) {
  const parsed = v.safeParse(directUploadSchema, body);
  if (!parsed.success) return `${v.getDotPath(parsed.issues[0])}: ${parsed.issues[0].message}`;
  const creation = readDirectUpload(parsed.output, creator);
  return creation.ok ? creation.value : creation.problem.code;
}

describe("the body of a direct upload", () => {
  it("is a creation in other words, of the most that a link takes", () => {
    expect(read(ALL)).toEqual({
      kind: "direct",
      length: BASIC_UPLOAD_MAX_BYTES,
      creator: "user-1",
      metadata: new Map([
        ["maxdurationseconds", "60"],
        ["expiry", "2026-11-22T13:00:00Z"],
        ["requiresignedurls", ""],
        ["allowedorigins", "app.acme.com,*.acme.com"],
        ["scheduleddeletion", "2027-02-22T12:00:00Z"],
        ["thumbnailtimestamppct", "0.500000"],
        ["watermark", "w1"],
        ["name", "Cats"],
        ["project", "p1"],
      ]),
    });
  });

  it("asks for nothing where it says nothing, null or false", () => {
    const nothing = { kind: "direct", length: BASIC_UPLOAD_MAX_BYTES, metadata: new Map() };
    expect(read({})).toEqual(nothing);
    expect(read(Object.fromEntries(Object.keys(ALL).map((field) => [field, null])))).toEqual(nothing);
    expect(read({ requireSignedURLs: false, allowedOrigins: [], watermark: {}, creator: "" }, "")).toEqual(nothing);
  });

  it("takes the creator from the header, as the SDK may send it, where the body names none", () => {
    expect(read({}, "user-2")).toMatchObject({ creator: "user-2" });
    expect(read({ creator: "user-1" }, "user-2")).toMatchObject({ creator: "user-1" });
  });

  it.each<[unknown, string]>([
    [[], "null: must be an object"],
    [{ maxDurationSecond: 60 }, "maxDurationSecond:"],
    [{ maxDurationSeconds: "60" }, "maxDurationSeconds:"],
    [{ allowedOrigins: "acme.com" }, "allowedOrigins:"],
    [{ requireSignedURLs: "false" }, "requireSignedURLs:"],
    [{ watermark: "w1" }, "watermark:"],
    [{ watermark: { name: "w1" } }, "watermark.name:"],
    [{ meta: ["a"] }, "meta: must be an object"],
    [{ meta: { count: 5 } }, "meta.count: must have texts as values"],
    [{ meta: { maxDurationSeconds: "1" } }, "meta.maxDurationSeconds: has a key of Stream's own"],
    [{ meta: { "a b": "1" } }, "meta.a b: must have keys of printable ASCII"],
    [{ meta: { "a,requiresignedurls": "1" } }, "meta.a,requiresignedurls: must have keys"],
    [{ meta: { "": "1" } }, "meta.: must have keys"],
    [{ meta: { Name: "1", name: "2" } }, "upload_metadata_invalid"],
    [{ meta: { ["k".repeat(129)]: "1" } }, "upload_metadata_invalid"],
    [{ meta: { text: "x".repeat(16_384) } }, "upload_metadata_too_large"],
    [{ meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "1"])) }, "upload_metadata_too_large"],
  ])("is not %j", (body, refusal) => {
    expect(read(body)).toContain(refusal);
  });
});

describe("a policy", () => {
  const decide = (body: DirectUploadBody, document: object) => {
    const creation = readDirectUpload(body, undefined);
    if (!creation.ok) throw new Error(creation.problem.detail);
    const caller = { tenant: "acme", kind: "api-key" as const };
    return applyPolicy([policyOf(document)], { ...creation.value, caller, now: NOON }).result;
  };

  it("that permits fewer bytes than a link takes permits no link", () => {
    const upload = { maxBytes: BASIC_UPLOAD_MAX_BYTES - 1 };
    expect(decide({}, { upload })).toMatchObject({ ok: false, problem: { code: "upload_too_large" } });
    expect(decide({}, { upload: { maxBytes: BASIC_UPLOAD_MAX_BYTES } })).toMatchObject({ ok: true });
  });

  it("that asks for file types wants one declared, in meta.filetype", () => {
    const upload = { fileTypes: ["video/*"] };
    expect(decide({}, { upload })).toMatchObject({ ok: false, problem: { code: "file_type_not_allowed" } });
    expect(decide({ meta: { filetype: "video/mp4" } }, { upload })).toMatchObject({ ok: true });
  });

  it.each([
    ["a fraction of a second", { maxDurationSeconds: 1.5 }],
    ["more than any number", { maxDurationSeconds: Number.POSITIVE_INFINITY }],
    ["a thumbnail before the beginning", { thumbnailTimestampPct: -0.5 }],
    ["a thumbnail in the beyond", { thumbnailTimestampPct: 1e21 }],
    ["a time that is none", { expiry: "tomorrow" }],
  ])("is not asked for %s", (_, body) => {
    expect(decide(body, {})).toMatchObject({ ok: false, problem: { code: "metadata_value_invalid" } });
  });

  it("is given the smallest fraction there is, written out", () => {
    const decided = decide({ thumbnailTimestampPct: 0.000_001 }, {});
    expect(decided.ok && decided.value.metadata.get("thumbnailtimestamppct")).toBe("0.000001");
  });
});

describe("whatever a policy decides", () => {
  it("is exactly what is sent, and the local Stream reads it as it would a tus creation", () => {
    let accepted = 0;
    fc.assert(
      fc.property(policyJson, policyJson, policyRequest, (tenant, grant, request) => {
        const [a, b] = [parsePolicy(tenant, "policy"), parsePolicy(grant, "grant")];
        if (!a.ok || !b.ok) return;
        const { result } = applyPolicy(narrow([a.value], b.value), request);
        if (!result.ok) return;
        accepted++;
        const { creator, maxDurationSeconds, expiresAt } = result.value;
        const metadata = new Map([...result.value.metadata, ["sluice", "acme/1"]]);
        const body = writeDirectUpload(metadata, creator);

        expect(body).toMatchObject({
          maxDurationSeconds,
          expiry: new Date(expiresAt * 1000).toISOString().replace(".000", ""),
        });
        expect(body.meta["sluice"]).toBe("acme/1");
        const rules = { now: request.now * 1000, watermarks: [metadata.get("watermark") ?? ""] };
        const headers = {
          "tus-resumable": "1.0.0",
          "upload-length": "1",
          "upload-metadata": encodeUploadMetadata(metadata),
          ...(creator !== undefined && { "upload-creator": creator }),
        };
        expect(readByStream(JSON.parse(JSON.stringify(body)), rules)).toEqual({
          ...readTusCreation(headers, rules),
          length: null,
        });
      }),
      { numRuns: 5_000 },
    );
    // Or else it proves nothing.
    expect(accepted).toBeGreaterThan(50);
  });

  it("is read again as the same creation", () => {
    fc.assert(
      fc.property(policyJson, policyRequest, (tenant, request) => {
        const policy = parsePolicy(tenant, "policy");
        if (!policy.ok) return;
        const { result } = applyPolicy([policy.value], request);
        if (!result.ok) return;
        const again = read(writeDirectUpload(result.value.metadata, result.value.creator));
        const percentage = result.value.metadata.get("thumbnailtimestamppct");
        const metadata = new Map(result.value.metadata);
        if (percentage !== undefined) metadata.set("thumbnailtimestamppct", Number(percentage).toFixed(6));
        expect(again).toMatchObject({ kind: "direct", metadata });
      }),
      { numRuns: 2_000 },
    );
  });
});
