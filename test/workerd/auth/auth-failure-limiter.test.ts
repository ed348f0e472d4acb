import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { createAuthFailureLimiter } from "../../../src/adapters/auth/auth-failure-limiter.ts";

it("asks no more about an address that is past the limit, until its window is over", async () => {
  let asked = 0;
  let now = 1_000_000;
  const limit = (options: RateLimitOptions) => {
    asked++;
    return env.FAILURES.limit(options);
  };
  const failures = createAuthFailureLimiter({ limit }, () => now);
  const fail = (address: string) => failures.countFailure(address);

  // Twice the limit, since a window of the local limiter may end in between.
  let attempts = 0;
  while ((await fail("192.0.2.1")) === undefined) expect(++attempts).toBeLessThan(62);
  const before = asked;
  now += 59_001;
  expect(await fail("192.0.2.1")).toBe(1);
  expect(asked).toBe(before);

  expect(await fail("192.0.2.2")).toBeUndefined();
  now += 999;
  await fail("192.0.2.1");
  expect(asked).toBe(before + 2);
});

it("lets the refusal be what it is where the binding cannot be asked", async () => {
  const limit = () => Promise.reject(new Error("internal error"));
  expect(await createAuthFailureLimiter({ limit }, Date.now).countFailure("192.0.2.1")).toBeUndefined();
});
