import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { allowOnly } from "../pipeline/method-not-allowed.ts";
import uploadEvent from "./upload-event.schema.json" with { type: "json" };

/** Published schemas of what tenants are sent. A schema of one version only ever grows. */
export function schemaRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/upload-event.v1.json", (c) => c.json(uploadEvent, 200, { "Content-Type": "application/schema+json" }));
  routes.all("/upload-event.v1.json", allowOnly("GET", "HEAD"));
  return routes;
}
