import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";

/** Cloudflare's envelope; `more` holds members beside the result. */
export function respondResult(
  c: Context<AppEnv>,
  result: unknown,
  headers: Record<string, string> = {},
  more = {},
): Response {
  const body = { result, success: true, errors: [], messages: [], ...more };
  return c.json(body, 200, { "Cache-Control": "no-store", ...headers });
}
