/** Enough to recognise a value without filling the log line. */
const MAX_QUOTED_CHARACTERS = 80;

/** The message of anything thrown, for the log. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shortens text of the client for a `detail`. */
export function truncate(text: string): string {
  return text.length <= MAX_QUOTED_CHARACTERS ? text : `${text.slice(0, MAX_QUOTED_CHARACTERS).toWellFormed()}…`;
}

/** Ends the `detail` of a refusal with the client's value; nothing if the client sent none. */
export function quoteRequested(requested: string | undefined): string {
  return requested === undefined ? "" : ` (requested: "${truncate(requested)}")`;
}
