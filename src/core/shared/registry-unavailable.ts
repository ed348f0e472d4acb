import { type Problem, problem } from "./problem.ts";
import { errorMessage } from "./text.ts";

/** The database failed. If it was a write, its outcome is unknown. Thrown by every method of `AdminRegistry`. */
export class RegistryUnavailable extends Error {
  override readonly name = "RegistryUnavailable";
}

/** The problem for a failed database call or an unreadable row. */
export function registryUnavailable(error: unknown): Problem {
  const facts = { reason: errorMessage(error) };
  return problem("registry_unavailable", "The registry is currently not available.", { facts });
}
