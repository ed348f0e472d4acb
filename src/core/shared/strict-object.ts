import * as v from "valibot";
import { nearestWord } from "./text.ts";

/**
 * A JSON object with these fields and no others. Valibot's `strictObject` alone accepts `[]` if all fields are optional.
 * A misspelt field is refused with the nearest one, any other with all that there are.
 */
export function jsonObject<Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(
    v.unknown(),
    v.check((value) => !Array.isArray(value), "must be an object"),
    v.strictObject(entries, ({ expected, input, message }) => {
      if (expected !== "never") return message;
      const nearest = nearestWord(String(input), Object.keys(entries));
      return nearest === undefined
        ? `unknown field (known: ${Object.keys(entries).join(", ")})`
        : `unknown field (nearest: "${nearest}")`;
    }),
  );
}
