import type { MiddlewareHandler } from "hono";
import type { FailureLimit } from "../adapters/failure-limit.ts";
import { type ProblemCode, PROBLEMS, problem } from "../domain/problem.ts";
import { respondProblem } from "../routes/problem-response.ts";
import type { AppEnv } from "./app-env.ts";

/** The window of the rate limit. */
const RETRY_AFTER_SECONDS = 60;

/**
 * Counts refused credentials per client address and, past the limit, says so instead of why. Requests that succeed are
 * neither counted nor held up: tenants behind one address do not pay for each other.
 */
export function failureLimit(failures: FailureLimit): MiddlewareHandler<AppEnv> {
  return async function failureLimit(c, next) {
    await next();
    const code = c.get("event").columns.problem;
    if (!code || !isFailedAttempt(code)) return;
    if (!(await failures.countFailure(c.req.header("cf-connecting-ip") ?? ""))) return;
    const refusal = respondProblem(
      c,
      problem("too_many_failures", "Too many failed attempts from this address.", {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
        facts: { instead: code },
      }),
    );
    // Of the refusal that this one replaces.
    refusal.headers.delete("WWW-Authenticate");
    // Taken away first: Hono would merge the two, and read the body of the new one to make another.
    c.res = undefined;
    c.res = refusal;
  };
}

function isFailedAttempt(code: ProblemCode): boolean {
  return PROBLEMS[code].status === 401 || code === "tenant_mismatch";
}
