import type { MiddlewareHandler } from "hono";
import { problem } from "../../core/shared/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { respondProblem } from "../pipeline/problem-response.ts";

/**
 * tus: "The X-HTTP-Method-Override request header MUST be a string which MUST be interpreted as the request's method by the
 * Server, if the header is presented. The actual method of the request MUST be ignored."
 *
 * It takes two steps: the router chooses the handlers by the method, so `overrideMethod` runs before the app; and browsers can
 * read a refusal only with CORS headers, so `refuseUnknownMethod` runs in the app, after `cors`.
 *
 * @see https://tus.io/protocols/resumable-upload#x-http-method-override
 */
const HEADER = "X-HTTP-Method-Override";
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Gives the request the method that the header names. With an unknown method, the request keeps the header. */
export function overrideMethod(request: Request): Request {
  const method = request.headers.get(HEADER);
  if (method === null || !METHODS.has(method)) return request;
  const headers = new Headers(request.headers);
  headers.delete(HEADER);
  const bodyless = method === "GET" || method === "HEAD";
  return new Request(request.url, { method, headers, ...(!bodyless && { body: request.body }) });
}

/** Refuses a request that `overrideMethod` has left with the header. */
export const refuseUnknownMethod: MiddlewareHandler<AppEnv> = function refuseUnknownMethod(c, next) {
  if (c.req.header(HEADER) !== undefined)
    return respondProblem(c, problem("bad_request", `${HEADER} must be one of ${[...METHODS].join(", ")}.`));
  return next();
};
