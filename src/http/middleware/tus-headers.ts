import type { MiddlewareHandler } from "hono";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import type { AppEnv } from "../app-env.ts";

/** tus: "The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests." */
export const tusEndpoint: MiddlewareHandler<AppEnv> = function tusEndpoint(c, next) {
  c.header("Tus-Resumable", TUS_VERSION);
  return next();
};

/** Marks each POST as a creation, which analytics count even if it is refused before it is parsed. */
export const creationEndpoint: MiddlewareHandler<AppEnv> = function creationEndpoint(c, next) {
  c.get("log").isCreation = c.req.method === "POST";
  return next();
};
