import { describe, expect, it } from "vitest";
import { toAccountProblem } from "../../../src/core/stream/rules/account-check.ts";

const error = (code: number, message = "text") => ({ code, message });

describe("toAccountProblem", () => {
  it.each([
    [401, [error(10000, "Authentication error")], "upstream_credential_refused"],
    [401, [], "upstream_credential_refused"],
    [403, [error(10000)], "upstream_credential_refused"],
    [403, [error(9109)], "upstream_credential_refused"],
    [400, [error(6003, "Invalid request headers")], "upstream_credential_refused"],
    [404, [error(10003, "account not found")], "upstream_account_unknown"],
    [404, [error(7003, "Could not route to /accounts/x/stream")], "upstream_account_unknown"],
    [400, [error(7003)], "upstream_account_unknown"],
    // A proxy, or another API.
    [404, [], "stream_error"],
    [400, [error(10005)], "stream_rejected"],
    [429, [error(971)], "stream_rate_limited"],
    [500, [error(10500)], "stream_error"],
    [502, [], "stream_error"],
    [503, [], "stream_unavailable"],
    [302, [], "stream_error"],
  ])("maps %i with %j to %s", (status, errors, code) => {
    expect(toAccountProblem({ status, errors }).code).toBe(code);
  });

  it("passes Stream's first text on, truncated", () => {
    const detailOf = (message: string) => toAccountProblem({ status: 401, errors: [error(10000, message)] }).detail;
    expect(detailOf("Authentication error")).toBe(
      "Stream refuses the credential for this account (found: 401 Authentication error).",
    );
    expect(detailOf("x".repeat(9_000)).length).toBeLessThan(200);
  });
});
