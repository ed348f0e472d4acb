import type { Context, MiddlewareHandler } from "hono";
import type { AuthFailureLimiter } from "../../core/ports/auth-failure-limiter.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import type { AppEnv } from "../app-env.ts";

/** Provides the limiter to `respondProblem`, which counts each failed authentication. */
export function authFailureLimit(failures: AuthFailureLimiter): MiddlewareHandler<AppEnv> {
  return function authFailureLimit(c, next) {
    c.set("failures", failures);
    return next();
  };
}

/**
 * Counts a failed authentication against the client's address, if it could be guessing. Genuine tokens that have expired or are
 * for somebody else are none: everyone behind the address would pay for one device.
 *
 * Requests that succeed are neither counted nor limited: tenants behind one address do not affect each other.
 *
 * @returns `too_many_failures` in the place of the refusal, if the address is past the limit
 */
export async function limitAuthFailures(c: Context<AppEnv>, refusal: Problem): Promise<Problem> {
  if (!isAuthFailure(refusal)) return refusal;
  const retryAfterSeconds = await c.get("failures").countFailure(c.req.header("cf-connecting-ip") ?? "");
  if (retryAfterSeconds === undefined) return refusal;
  return problem("too_many_failures", "Too many failed authentication attempts from this address.", {
    retryAfterSeconds,
    facts: { instead: refusal.code },
  });
}

/** What could be guessing: an unknown API key, a malformed token, a broken signature, an unknown key. */
function isAuthFailure({ code }: Problem): boolean {
  return code === "credential_invalid" || code === "credential_unknown_key";
}
