import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Telemetry } from "../../adapters/telemetry/telemetry.ts";
import type { AppEnv } from "../app-env.ts";
import { RequestEvent } from "../../adapters/telemetry/request-event.ts";

/** Opens the request's event, and records it whatever becomes of the request. */
export function wideEvent(telemetry: Telemetry): MiddlewareHandler<AppEnv> {
  return async function wideEvent(c, next) {
    const event = new RequestEvent(c.get("requestId"), c.req.method);
    c.set("event", event);
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
