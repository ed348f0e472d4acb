import { Hono } from "hono";
import { problem } from "../domain/problem.ts";
import type { AppEnv } from "../middleware/app-env.ts";
import { respondProblem } from "./problem-response.ts";
import uploadEvent from "./upload-event.schema.json" with { type: "json" };

/** Published schemas of what tenants are sent. A schema of one version only ever grows. */
export function schemaRoutes(): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/upload-event.v1.json", (c) => c.json(uploadEvent, 200, { "Content-Type": "application/schema+json" }));
  routes.all("/upload-event.v1.json", (c) =>
    respondProblem(c, problem("method_not_allowed", "Read the schema with GET.", { allow: ["GET", "HEAD"] })),
  );
  return routes;
}
