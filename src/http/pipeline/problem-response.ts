import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { PROBLEMS, type Problem, titleOf } from "../../core/shared/problem.ts";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import type { AppEnv } from "../app-env.ts";
import { limitAuthFailures } from "../middleware/auth-failure-limit.ts";
import { rateHeaders } from "./upload-headers.ts";

/** Responds with a problem, adds it to the request log, and counts it if it is a failed authentication. */
export async function respondProblem(c: Context<AppEnv>, refusal: Problem): Promise<Response> {
  const problem = await limitAuthFailures(c, refusal);
  c.get("log").setProblem(problem);
  // 499 is no standard status.
  const status = PROBLEMS[problem.code].status as ContentfulStatusCode;
  return c.body(problemDocument(problem, c.get("requestId")), status, problemHeaders(problem));
}

/**
 * A problem document (RFC 9457) that is also an envelope of Cloudflare's API, so that tus clients, people and the official SDK
 * each find what they read. Facts are for the log only.
 */
export function problemDocument(problem: Problem, requestId?: string): string {
  const { status, cloudflare } = PROBLEMS[problem.code];
  return JSON.stringify({
    type: "about:blank",
    title: titleOf(problem.code),
    status,
    detail: problem.detail,
    code: problem.code,
    ...(problem.key !== undefined && { key: problem.key }),
    ...(problem.step && { step: problem.step }),
    ...limitMembers(problem),
    ...(problem.offered && { offered: problem.offered }),
    requestId,
    success: false,
    errors: [{ code: cloudflare, message: problem.detail }],
    messages: [],
    result: null,
  });
}

/** The members of a problem document that describe the limit. */
export function limitMembers({ limit }: Pick<Problem, "limit">): object {
  if (!limit) return {};
  const { name, ...numbers } = limit;
  return { limit: name, ...numbers };
}

export function problemHeaders(problem: Problem): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
  };
  const challenge = authenticateChallenge(problem);
  if (challenge) headers["WWW-Authenticate"] = challenge;
  if (problem.allow) headers["Allow"] = problem.allow.join(", ");
  // The official SDK repeats every 5xx otherwise.
  if (problem.offered) headers["X-Should-Retry"] = "false";
  if (problem.retryAfterSeconds !== undefined) headers["Retry-After"] = String(problem.retryAfterSeconds);
  if (problem.rate) Object.assign(headers, rateHeaders(problem.rate));
  if (PROBLEMS[problem.code].status === 412) headers["Tus-Version"] = TUS_VERSION;
  return headers;
}

/**
 * RFC 6750 section 3: without an error if no credential was sent. A valid credential of another tenant or without the scope is
 * not an `invalid_token`, which goes with 401: "The request requires higher privileges than provided by the access token."
 */
function authenticateChallenge({ code, key }: Problem): string | undefined {
  if (code === "credential_missing") return `Bearer realm="sluice"`;
  if (code === "tenant_mismatch") return `Bearer realm="sluice", error="insufficient_scope"`;
  if (code === "scope_missing") return `Bearer realm="sluice", error="insufficient_scope", scope="${key}"`;
  return PROBLEMS[code].status === 401 ? `Bearer realm="sluice", error="invalid_token"` : undefined;
}
