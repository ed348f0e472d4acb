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
import { readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { readDirectUpload as readLikeStream, readTusCreation } from "../../../src/local-stream/rules.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { policyJson, policyRequest } from "../../support/policy-arbitraries.ts";
import { NOON, policyOf, STREAM_BOUNDS } from "../../support/policy-fixtures.ts";

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

describe("readDirectUpload", () => {
  it("converts the body to a creation of the maximum size of a basic link", () => {
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

  it("returns no metadata for missing, null, false and empty fields", () => {
    const nothing = { kind: "direct", length: BASIC_UPLOAD_MAX_BYTES, metadata: new Map() };
    expect(read({})).toEqual(nothing);
    expect(read(Object.fromEntries(Object.keys(ALL).map((field) => [field, null])))).toEqual(nothing);
    expect(read({ requireSignedURLs: false, allowedOrigins: [], watermark: {}, creator: "" }, "")).toEqual(nothing);
  });

  it("reads numbers and booleans in meta as text, and null as absent", () => {
    expect(read({ meta: { take: 5, ratio: 0.5, public: true, draft: false, note: null } })).toMatchObject({
      metadata: new Map([
        ["take", "5"],
        ["ratio", "0.5"],
        ["public", "true"],
        ["draft", "false"],
      ]),
    });
  });

  it("takes the creator from the header when the body has none", () => {
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
    [{ meta: { tags: ["a"] } }, "meta.tags: must be a string, a number or a boolean"],
    [{ meta: { author: { name: "Ada" } } }, "meta.author: must be a string, a number or a boolean"],
    [{ meta: { maxDurationSeconds: "1" } }, "meta.maxDurationSeconds: is a Stream option"],
    [{ meta: { "a b": "1" } }, "meta.a b: must be a key of printable ASCII"],
    [{ meta: { "a,requiresignedurls": "1" } }, "meta.a,requiresignedurls: must be a key"],
    [{ meta: { "": "1" } }, "meta.: must be a key"],
    [{ meta: { Name: "1", name: "2" } }, "upload_metadata_invalid"],
    [{ meta: { ["k".repeat(129)]: "1" } }, "upload_metadata_invalid"],
    [{ meta: { text: "x".repeat(16_384) } }, "upload_metadata_too_large"],
    [{ meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "1"])) }, "upload_metadata_too_large"],
  ])("rejects %j", (body, error) => {
    expect(read(body)).toContain(error);
  });
});

describe("applyPolicy for a direct upload", () => {
  const decide = (body: DirectUploadBody, document: object) => {
    const creation = readDirectUpload(body, undefined);
    if (!creation.ok) throw new Error(creation.problem.detail);
    const caller = { tenant: "acme", kind: "api-key" as const };
    const request = { length: BASIC_UPLOAD_MAX_BYTES, ...creation.value, caller, now: NOON, bounds: STREAM_BOUNDS };
    return applyPolicy([policyOf(document)], request).result;
  };

  it("rejects the upload when maxBytes is below the maximum size of a basic link", () => {
    const upload = { maxBytes: BASIC_UPLOAD_MAX_BYTES - 1 };
    expect(decide({}, { upload })).toMatchObject({ ok: false, problem: { code: "upload_too_large" } });
    expect(decide({}, { upload: { maxBytes: BASIC_UPLOAD_MAX_BYTES } })).toMatchObject({ ok: true });
  });

  it("reads the file type from meta.filetype when the policy restricts file types", () => {
    const upload = { fileTypes: ["video/*"] };
    expect(decide({}, { upload })).toMatchObject({ ok: false, problem: { code: "file_type_not_allowed" } });
    expect(decide({ meta: { filetype: "video/mp4" } }, { upload })).toMatchObject({ ok: true });
  });

  it.each([
    ["a fractional number of seconds", { maxDurationSeconds: 1.5 }],
    ["an infinite duration", { maxDurationSeconds: Number.POSITIVE_INFINITY }],
    ["a negative thumbnail position", { thumbnailTimestampPct: -0.5 }],
    ["a thumbnail position of 1e21", { thumbnailTimestampPct: 1e21 }],
    ["an expiry that is not a timestamp", { expiry: "tomorrow" }],
  ])("rejects %s", (_, body) => {
    expect(decide(body, {})).toMatchObject({ ok: false, problem: { code: "metadata_value_invalid" } });
  });

  it("passes the smallest thumbnail position as a decimal", () => {
    const decided = decide({ thumbnailTimestampPct: 0.000_001 }, {});
    expect(decided.ok && decided.value.metadata.get("thumbnailtimestamppct")).toBe("0.000001");
  });
});

describe("writeDirectUpload", () => {
  it("writes exactly the decision, which the local Stream reads like the tus creation of the same decision", () => {
    let accepted = 0;
    fc.assert(
      fc.property(policyJson, policyJson, policyRequest, (tenant, grant, request) => {
        const [a, b] = [readPolicy(tenant, "policy"), readPolicy(grant, "grant")];
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
        expect(readLikeStream(JSON.parse(JSON.stringify(body)), rules)).toEqual({
          ...readTusCreation(headers, rules),
          length: null,
        });
      }),
      { numRuns: 5_000 },
    );
    // Otherwise the property was hardly exercised.
    expect(accepted).toBeGreaterThan(50);
  });

  it("is the inverse of readDirectUpload", () => {
    fc.assert(
      fc.property(policyJson, policyRequest, (tenant, request) => {
        const policy = readPolicy(tenant, "policy");
        if (!policy.ok) return;
        const { result } = applyPolicy([policy.value], request);
        if (!result.ok) return;
        const again = read(writeDirectUpload(result.value.metadata, result.value.creator));
        const percentage = result.value.metadata.get("thumbnailtimestamppct");
        const metadata = new Map([...result.value.metadata].map(([key, text]) => [key.toLowerCase(), text]));
        if (percentage !== undefined) metadata.set("thumbnailtimestamppct", Number(percentage).toFixed(6));
        expect(again).toMatchObject({ kind: "direct", metadata });
      }),
      { numRuns: 2_000 },
    );
  });
});
