import { Routes } from "../routes.ts";
import { handle } from "../pipeline/handle.ts";
import { resource } from "../pipeline/resource.ts";
import uploadEvent from "./upload-event.schema.json" with { type: "json" };

/** Published schemas of webhook events. A released schema version only gains members. */
export function schemaRoutes(): Routes {
  const routes = new Routes();
  const read = handle({}, (c) => c.json(uploadEvent, 200, { "Content-Type": "application/schema+json" }));
  resource(routes, "/upload-event.v1.json", { GET: read });
  return routes;
}
