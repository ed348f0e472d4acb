import type { Context, MiddlewareHandler } from "hono";
import type { AuthFailureLimiter } from "../../core/ports/auth-failure-limiter.ts";
import { type Problem, PROBLEMS, problem } from "../../core/shared/problem.ts";
import type { AppEnv } from "../app-env.ts";

/** Has the refusals of a request counted. */
export function failureLimit(failures: AuthFailureLimiter): MiddlewareHandler<AppEnv> {
  return function failureLimit(c, next) {
    c.set("failures", failures);
    return next();
  };
}

/**
 * Counts refused credentials per client address and, past the limit, says so instead of why. Requests that succeed are
 * neither counted nor held up: tenants behind one address do not pay for each other.
 */
export async function limitAuthFailures(c: Context<AppEnv>, refusal: Problem): Promise<Problem> {
  if (!isFailedAttempt(refusal)) return refusal;
  const retryAfterSeconds = await c.get("failures").countFailure(c.req.header("cf-connecting-ip") ?? "");
  if (retryAfterSeconds === undefined) return refusal;
  return problem("too_many_failures", "Too many failed attempts from this address.", {
    retryAfterSeconds,
    facts: { instead: refusal.code },
  });
}

function isFailedAttempt({ code }: Problem): boolean {
  return PROBLEMS[code].status === 401 || code === "tenant_mismatch";
}
