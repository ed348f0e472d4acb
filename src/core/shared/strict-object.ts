import * as v from "valibot";

/** A JSON object with these fields and no others. Valibot's `strictObject` alone accepts `[]` if all fields are optional. */
export function jsonObject<Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(
    v.unknown(),
    v.check((value) => !Array.isArray(value), "must be an object"),
    v.strictObject(entries),
  );
}
