import { HonoBase } from "hono/hono-base";
import { RegExpRouter } from "hono/router/reg-exp-router";
import type { AppEnv } from "./app-env.ts";

/**
 * Routes, or the app of all of them. Ignores trailing slashes.
 *
 * RegExpRouter is Hono's fastest router; it rejects unsupported patterns on the first request, so any test finds them. `HonoBase`
 * keeps Hono's other routers out of the Worker.
 */
export class Routes extends HonoBase<AppEnv> {
  constructor() {
    super({ strict: false, router: new RegExpRouter() });
  }
}
