import { describe, expect, it } from "vitest";
import { problem } from "../../../src/core/shared/problem.ts";
import { type Result, err, ok } from "../../../src/core/shared/result.ts";
import { checkNewUpstream, checkUpstream } from "../../../src/core/stream/check-upstream.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

const upstream = upstreamFixture();

function portsOf(answer: Result<void>, granted = true) {
  const calls: string[] = [];
  const acquire = async (_: unknown, tenant: string, callClass: string) => {
    calls.push(`acquire ${tenant} ${callClass}`);
    return granted ? ({ granted } as const) : ({ granted, retryAfterSeconds: 7 } as const);
  };
  const checkAccount = async () => {
    calls.push("check");
    return answer;
  };
  return { calls, budget: { acquire }, stream: { checkAccount } };
}

describe("checkUpstream", () => {
  it("takes one call from the budget, and asks Stream once", async () => {
    const ports = portsOf(ok(undefined));
    expect(await checkUpstream(ports, upstream)).toEqual(ok(undefined));
    expect(ports.calls).toEqual(["acquire * foreground", "check"]);
  });

  it("does not ask Stream without a call of the budget", async () => {
    const ports = portsOf(ok(undefined), false);
    expect(await checkUpstream(ports, upstream)).toMatchObject({
      problem: { code: "upstream_busy", retryAfterSeconds: 7 },
    });
    expect(ports.calls).not.toContain("check");
  });
});

describe("checkNewUpstream", () => {
  it.each(["upstream_credential_refused", "upstream_account_unknown"] as const)("refuses what is %s", async (code) => {
    expect(await checkNewUpstream(portsOf(err(problem(code, "No."))), upstream)).toEqual(err(problem(code, "No.")));
  });

  it.each(["stream_unreachable", "stream_rate_limited", "stream_error", "stream_bad_answer"] as const)(
    "warns if Stream does not say, because of %s",
    async (code) => {
      expect(await checkNewUpstream(portsOf(err(problem(code, "It is down."))), upstream)).toEqual(
        ok([
          {
            pointer: "",
            code: "upstream_unchecked",
            detail: `Stored without a check (${code}): It is down.`,
          },
        ]),
      );
    },
  );

  it("warns if the budget is spent", async () => {
    expect(await checkNewUpstream(portsOf(ok(undefined), false), upstream)).toMatchObject({
      value: [{ code: "upstream_unchecked" }],
    });
  });

  it("has no warning if Stream says yes", async () => {
    expect(await checkNewUpstream(portsOf(ok(undefined)), upstream)).toEqual(ok([]));
  });
});
