import { MAX_QUOTED_CHARACTERS } from "./problem.ts";

/** What was thrown, in words for the log. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A string of a client's, short enough to be shown in a `detail`. */
export function truncate(text: string): string {
  return text.length <= MAX_QUOTED_CHARACTERS ? text : `${text.slice(0, MAX_QUOTED_CHARACTERS).toWellFormed()}…`;
}
