import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROBLEMS } from "../../../src/core/shared/problem.ts";
import { toProblem } from "../../../src/core/stream/rules/map-stream-error.ts";

const error = (code: number, message = "") => ({ code, message });

describe("toProblem", () => {
  it.each([
    ["the storage is full, by code", 400, [error(10011)], "stream_storage_full", 429, 3600],
    ["the storage is full, by status", 413, [], "stream_storage_full", 429, 3600],
    ["the storage is full, in words", 413, [error(10011, "the queue")], "stream_storage_full", 429, 3600],
    ["the queue is full, as a 413", 413, [error(10005, "Queued videos: 120")], "stream_queue_full", 429, 60],
    ["the queue is full", 429, [error(0, "too many videos queued or encoding")], "stream_queue_full", 429, 60],
    [
      "the request limit is reached",
      429,
      [error(971, "Please wait and consider throttling")],
      "stream_rate_limited",
      429,
      7,
    ],
    [
      "the credential is refused",
      401,
      [error(10000, "Authentication error")],
      "stream_credential_refused",
      502,
      undefined,
    ],
    ["the credential lacks the permission", 403, [], "stream_credential_refused", 502, undefined],
    ["the account is not found", 404, [], "stream_error", 502, undefined],
    ["the creation is refused", 400, [error(10005, "bad watermark")], "stream_rejected", 400, undefined],
    ["Stream redirects", 302, [], "stream_error", 502, undefined],
    ["Stream answers 200 instead of 201", 200, [], "stream_error", 502, undefined],
    ["Stream has an error", 500, [], "stream_error", 502, undefined],
    ["Stream is down", 503, [], "stream_unavailable", 503, 7],
  ])("maps the error when %s", (_, status, errors, code, mapped, retryAfterSeconds) => {
    const problem = toProblem({ status, errors, retryAfter: "7" });
    expect(problem.code).toBe(code);
    expect(PROBLEMS[problem.code].status).toBe(mapped);
    expect(problem.retryAfterSeconds).toBe(retryAfterSeconds);
  });

  it.each([undefined, "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "99999999999"])(
    "returns 300 seconds for Retry-After %j",
    (retryAfter) => {
      expect(toProblem({ status: 429, errors: [], ...(retryAfter && { retryAfter }) }).retryAfterSeconds).toBe(300);
    },
  );

  it("keeps Stream's texts out of the detail, and truncates them for the log", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        fc.integer(),
        fc.string({ minLength: 300 }),
        (status, code, message) => {
          const errors = Array.from({ length: 20 }, () => error(code, `secret ${message}`));
          const { detail, facts } = toProblem({ status, errors });
          expect(detail).not.toContain("secret");
          expect(String(facts?.["upstreamErrors"]).length).toBeLessThan(1_500);
        },
      ),
    );
  });
});
