import { describe, expect, it } from "vitest";
import { type GatewayErrorCode, UploadError, uploadErrorOf } from "../../../src/browser/upload-error.ts";
import { type ProblemCode, problem } from "../../../src/core/shared/problem.ts";
import { problemDocument } from "../../../src/http/pipeline/problem-response.ts";

/** An error of tus-js-client. */
function tusError(
  method: string,
  status?: number,
  body = "",
  retryAfter: string | null = null,
  causingError?: unknown,
) {
  return Object.assign(new Error("tus: failed"), {
    originalRequest: { getMethod: () => method },
    originalResponse: status ? { getStatus: () => status, getBody: () => body, getHeader: () => retryAfter } : null,
    causingError,
  });
}

describe("uploadErrorOf", () => {
  it("reads the gateway's problem", () => {
    const refusal = problem("limit_exceeded", "Too many.", {
      limit: { name: "pending", used: 5, allowed: 5, requested: 1 },
    });
    const error = uploadErrorOf(tusError("POST", 429, problemDocument(refusal, "r-1"), "3"));
    expect(error).toBeInstanceOf(UploadError);
    expect(error).toMatchObject({
      code: "limit_exceeded",
      message: "Too many.",
      status: 429,
      retryAfterSeconds: 3,
      problem: { limit: "pending", used: 5, allowed: 5, requestId: "r-1" },
    });
  });

  it.each(["", "<html>502</html>", "null", '"text"', "{}"])("survives a body that is no problem: %s", (body) => {
    expect(uploadErrorOf(tusError("POST", 502, body))).toMatchObject({ code: "unexpected_response", status: 502 });
  });

  it.each([null, "0", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])("takes no seconds from Retry-After: %s", (header) => {
    expect(uploadErrorOf(tusError("POST", 429, "", header)).retryAfterSeconds ?? 0).toBeLessThanOrEqual(0);
  });

  it("does not ask the upload host for Retry-After", () => {
    expect(uploadErrorOf(tusError("PATCH", 429, "", "3")).retryAfterSeconds).toBeUndefined();
  });

  it("tells a lost response from a file that cannot be read", () => {
    expect(uploadErrorOf(tusError("POST", undefined, "", null, { type: "error" })).code).toBe("no_response");
    const unreadable = new DOMException("gone", "NotReadableError");
    expect(uploadErrorOf(tusError("PATCH", undefined, "", null, unreadable)).code).toBe("file_unreadable");
  });

  it("looks into Uppy's network error", () => {
    const error = Object.assign(new Error("looks like a network error"), {
      isNetworkError: true,
      cause: tusError("POST", undefined, "", null, { type: "error" }),
    });
    expect(uploadErrorOf(error).code).toBe("no_response");
  });

  it("finds an error of the helper inside", () => {
    const inner = new UploadError("grant_unavailable", "x");
    expect(uploadErrorOf(tusError("POST", undefined, "", null, inner))).toBe(inner);
    expect(uploadErrorOf(inner)).toBe(inner);
  });
});

describe("GatewayErrorCode", () => {
  it("has codes of the gateway only", () => {
    const code: GatewayErrorCode = "grant_used";
    const known: ProblemCode = code satisfies ProblemCode;
    const all = (code: GatewayErrorCode): ProblemCode => code;
    expect(all(code)).toBe(known);
  });
});
