import { describe, expect, it } from "vitest";
import { delaySecondsOf, remedyFor } from "../../../src/browser/retry.ts";
import { UploadError } from "../../../src/browser/upload-error.ts";

const failure = (status?: number, code = "unexpected_response") => new UploadError(code, "", { status });

describe("remedyFor", () => {
  it.each([
    ["POST", failure(429, "limit_exceeded"), "wait"],
    ["POST", failure(409, "creation_in_progress"), "wait"],
    ["POST", failure(502, "stream_error"), "wait"],
    ["POST", failure(undefined, "no_response"), "wait"],
    ["POST", failure(401, "credential_expired"), "new grant"],
    ["POST", failure(401, "credential_revoked"), "give up"],
    ["POST", failure(403, "policy_violation"), "give up"],
    ["POST", failure(403, "grant_used"), "give up"],
    ["POST", failure(413, "upload_too_large"), "give up"],
    ["POST", failure(422, "idempotency_key_reused"), "give up"],
    // Without a Location.
    ["POST", failure(201), "give up"],
    ["POST", failure(undefined, "grant_unavailable"), "give up"],
    ["POST", failure(undefined, "file_empty"), "give up"],
    ["HEAD", failure(404), "new url"],
    ["HEAD", failure(410), "new url"],
    ["HEAD", failure(400), "new url"],
    ["HEAD", failure(423), "wait"],
    ["HEAD", failure(429), "wait"],
    ["HEAD", failure(500), "wait"],
    ["HEAD", failure(undefined, "no_response"), "wait"],
    ["PATCH", failure(410), "new url"],
    ["PATCH", failure(404), "new url"],
    ["PATCH", failure(409), "wait"],
    ["PATCH", failure(400), "give up"],
    ["PATCH", failure(undefined, "file_unreadable"), "give up"],
    ["DELETE", failure(503, "ledger_unavailable"), "wait"],
    ["DELETE", failure(401, "credential_expired"), "give up"],
    ["DELETE", failure(403, "grant_used"), "give up"],
  ] as const)("%s: %o calls for: %s", (method, error, remedy) => {
    expect(remedyFor(method, error)).toBe(remedy);
  });
});

describe("delaySecondsOf", () => {
  it("follows Retry-After", () => {
    expect(delaySecondsOf(new UploadError("x", "", { retryAfterSeconds: 3 }), 7, "wait")).toBe(3);
  });

  it("doubles from 1 to 30 seconds without it", () => {
    expect([1, 2, 3, 4, 5, 6, 50].map((failures) => delaySecondsOf(failure(500), failures, "wait"))).toEqual([
      1, 2, 4, 8, 16, 30, 30,
    ]);
  });

  it("does not wait for a new grant or URL the first time", () => {
    expect(delaySecondsOf(failure(410), 1, "new url")).toBe(0);
    expect(delaySecondsOf(failure(401), 1, "new grant")).toBe(0);
    expect(delaySecondsOf(failure(410), 2, "new url")).toBe(2);
  });
});
