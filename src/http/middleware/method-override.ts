import type { MiddlewareHandler } from "hono";
import { problem } from "../../core/shared/problem.ts";
import { respondProblem } from "../pipeline/problem-response.ts";
import type { AppEnv } from "../app-env.ts";

const HEADER = "X-HTTP-Method-Override";
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * "The X-HTTP-Method-Override request header MUST be a string which MUST be interpreted as the request's method by the
 * Server, if the header is presented. The actual method of the request MUST be ignored." So this comes before routing.
 *
 * @see https://tus.io/protocols/resumable-upload#x-http-method-override
 */
export function overrideMethod(request: Request): Request {
  const method = request.headers.get(HEADER);
  if (method === null || !METHODS.has(method)) return request;
  const headers = new Headers(request.headers);
  headers.delete(HEADER);
  const bodyless = method === "GET" || method === "HEAD";
  return new Request(request.url, { method, headers, ...(!bodyless && { body: request.body }) });
}

/** Refuses what `overrideMethod` had to leave: a method that no route could have. */
export const refuseUnknownOverride: MiddlewareHandler<AppEnv> = function refuseUnknownOverride(c, next) {
  if (c.req.header(HEADER) !== undefined)
    return respondProblem(c, problem("bad_request", `${HEADER} must be one of ${[...METHODS].join(", ")}.`));
  return next();
};
