import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Telemetry } from "../../core/ports/telemetry.ts";
import type { AppEnv } from "../app-env.ts";

/** Opens the request's event, and records it whatever becomes of the request. */
export function requestLog(telemetry: Telemetry): MiddlewareHandler<AppEnv> {
  return async function wideEvent(c, next) {
    const event = telemetry.begin(c.get("requestId"), c.req.method);
    c.set("log", event);
    try {
      await next();
      const timing = event.serverTiming();
      if (timing) c.res.headers.set("Server-Timing", timing);
    } finally {
      event.finish(routePath(c, -1), c.res.status);
      telemetry.record(event);
    }
  };
}
