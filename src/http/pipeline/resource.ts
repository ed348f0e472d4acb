import type { Context, Handler } from "hono";
import type { Routes } from "../routes.ts";
import { problem } from "../../core/shared/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { respondProblem } from "./problem-response.ts";

type Method = "DELETE" | "GET" | "PATCH" | "POST" | "PUT";

/**
 * Registers all methods of one path. Any other method gets a 405 that lists them.
 *
 * @param options.head whether `HEAD` is answered like `GET`
 * @param options.preflight whether browsers use the path: `createApp` answers its `OPTIONS`
 */
export function resource(
  routes: Routes,
  path: string,
  handlers: { readonly [M in Method]?: Handler<AppEnv> },
  { head = true, preflight = false } = {},
): void {
  for (const [method, handler] of Object.entries(handlers))
    routes.on(method, path, head ? handler : withoutHead(handler));
  const allow: string[] = Object.keys(handlers);
  if (head && handlers.GET) allow.push("HEAD");
  if (preflight) allow.push("OPTIONS");
  routes.all(path, (c) => respondMethodNotAllowed(c, allow));
}

export function respondMethodNotAllowed(c: Context<AppEnv>, methods: readonly string[]): Promise<Response> {
  const allow = methods.toSorted();
  return respondProblem(c, problem("method_not_allowed", `Allowed here: ${allow.join(", ")}.`, { allow }));
}

/** Hono dispatches `HEAD` to the handler of `GET`: this passes it on to the 405 instead. */
export function withoutHead(handler: Handler<AppEnv>): Handler<AppEnv> {
  return (c, next) => (c.req.method === "HEAD" ? next() : handler(c, next));
}
