import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAuthFailureLimiter } from "../../../src/adapters/auth/auth-failure-limiter.ts";

describe("AuthFailureLimiter.countFailure", () => {
  it("makes no calls for a limited address until its window has ended", async () => {
    let calls = 0;
    let now = 1_000_000;
    const limit = (options: RateLimitOptions) => {
      calls++;
      return env.FAILURES.limit(options);
    };
    const failures = createAuthFailureLimiter({ limit }, () => now);
    const fail = (address: string) => failures.countFailure(address);

    // Up to twice the limit, since a window of the local limiter may end meanwhile.
    let attempts = 0;
    while ((await fail("192.0.2.1")) === undefined) expect(++attempts).toBeLessThan(62);
    const callsBefore = calls;
    now += 59_001;
    expect(await fail("192.0.2.1")).toBe(1);
    expect(calls).toBe(callsBefore);

    expect(await fail("192.0.2.2")).toBeUndefined();
    now += 999;
    await fail("192.0.2.1");
    expect(calls).toBe(callsBefore + 2);
  });

  it("counts an address as one in all its notations, and each IPv4 address by itself", async () => {
    const keys: string[] = [];
    const limit = async ({ key }: RateLimitOptions) => {
      keys.push(key);
      return { success: true };
    };
    const failures = createAuthFailureLimiter({ limit }, Date.now);
    for (const address of ["2001:0db8::0001", "2001:db8::2", "192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:202", ""])
      await failures.countFailure(address);
    expect(keys).toEqual(["2001:db8:0:0", "2001:db8:0:0", "c000:201", "c000:201", "c000:202", ""]);
  });

  it("returns undefined if the binding fails", async () => {
    const limit = () => Promise.reject(new Error("internal error"));
    expect(await createAuthFailureLimiter({ limit }, Date.now).countFailure("192.0.2.1")).toBeUndefined();
  });
});
