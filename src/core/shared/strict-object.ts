import * as v from "valibot";

/**
 * A JSON object with these fields and no others. Valibot's `strictObject` takes an array for an object without fields,
 * and a document in which everything is optional would then be had from `[]`.
 */
export function jsonObject<Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(
    v.unknown(),
    v.check((value) => !Array.isArray(value), "must be an object"),
    v.strictObject(entries),
  );
}
