import type { Problem } from "../core/shared/problem.ts";
import { type Result, ok, err } from "../core/shared/result.ts";

/** Runs work that may throw, and turns an exception into a problem. */
export async function attempt<T>(
  work: () => T | Promise<T>,
  toProblem: (error: unknown) => Problem,
): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (error) {
    return err(toProblem(error));
  }
}
