import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { readPolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { encodeUploadMetadata } from "../../../src/core/uploads/rules/upload-metadata.ts";
import { readTusCreation } from "../../../src/local-stream/rules.ts";
import { policyJson, policyRequest } from "../../support/policy-arbitraries.ts";

describe("applyPolicy, for any policy and creation", () => {
  it("returns decisions that the local Stream accepts and reads the same", () => {
    let accepted = 0;
    fc.assert(
      fc.property(policyJson, policyJson, policyRequest, (tenant, grant, request) => {
        const [a, b] = [readPolicy(tenant, "policy"), readPolicy(grant, "grant")];
        if (!a.ok || !b.ok) return;
        const { result } = applyPolicy(narrow([a.value], b.value), request);
        if (!result.ok) return;
        accepted++;
        const { length, metadata, creator, maxDurationSeconds, expiresAt } = result.value;
        const headers = {
          "tus-resumable": "1.0.0",
          "upload-length": String(length),
          "upload-metadata": encodeUploadMetadata([...metadata, ["sluice", "acme/1"]]),
          ...(creator !== undefined && { "upload-creator": creator }),
        };
        const creation = readTusCreation(headers, {
          now: request.now * 1000,
          watermarks: [metadata.get("watermark") ?? ""],
        });
        expect(creation).toMatchObject({
          length,
          creator: creator ?? null,
          maxDurationSeconds,
          uploadExpiry: expiresAt * 1000,
          requireSignedURLs: metadata.has("requiresignedurls"),
          allowedOrigins: metadata.get("allowedorigins")?.split(",") ?? [],
          meta: expect.objectContaining({ sluice: "acme/1" }),
        });
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });
});
