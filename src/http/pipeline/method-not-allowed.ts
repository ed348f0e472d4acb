import type { Handler } from "hono";
import { problem } from "../../core/shared/problem.ts";
import type { AppEnv } from "../app-env.ts";
import { respondProblem } from "./problem-response.ts";

/** For the methods that a path has not. */
export function allowOnly(...allow: readonly string[]): Handler<AppEnv> {
  return (c) => respondProblem(c, problem("method_not_allowed", `Allowed here: ${allow.join(", ")}.`, { allow }));
}
