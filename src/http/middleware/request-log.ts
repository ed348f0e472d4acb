import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Telemetry } from "../../core/ports/telemetry.ts";
import type { AppEnv } from "../app-env.ts";

/** Begins the request log, and records it even if a handler throws. */
export function requestLog(telemetry: Telemetry): MiddlewareHandler<AppEnv> {
  return async function requestLog(c, next) {
    const log = telemetry.begin(c.get("requestId"), c.req.method);
    c.set("log", log);
    try {
      await next();
      const timing = log.serverTiming();
      if (timing) c.res.headers.set("Server-Timing", timing);
    } finally {
      log.finish(routePath(c, -1), c.res.status);
      telemetry.record(log);
    }
  };
}
