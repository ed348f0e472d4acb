import { afterKeysOf, subjectOf } from "../../core/auth/rules/person-key.ts";
import type { CreatorFilter } from "../../core/uploads/rules/upload-record.ts";
import { type Condition, LIST } from "./list-conditions.ts";

/** Namespaces in which one subject is looked for: far more than it has. */
const MAX_NAMESPACES = 1_000;

/** Keys that are a part each. With the labels, that is less than an object takes in one compound SELECT, which is 5. */
const MAX_KEY_PARTS = 3;

/** In the words of the index of labels, which SQLite otherwise does not use. */
const LABEL = "label = ? AND label <> ''";

/** The uploads of a creator, in a few parts. Each part has an index with the order of the ids, and no upload is in two. */
export function creatorParts(sql: SqlStorage, { creator, orLabel, label }: CreatorFilter): Condition[][] {
  if (creator === undefined) return [[]];
  if (orLabel) return [...ofKeys(keysOf(sql, creator)), [[LABEL, creator]]];
  return [
    label === undefined
      ? [["creator = ?", creator]]
      : [
          ["creator = ?", creator],
          [LABEL, label],
        ],
  ];
}

function ofKeys(keys: readonly string[]): Condition[][] {
  // SQLite sorts all uploads of a list of keys.
  if (keys.length > MAX_KEY_PARTS) return [[[`creator IN ${LIST}`, JSON.stringify(keys)]]];
  return keys.map((key) => [["creator = ?", key]]);
}

/** The keys of all persons with a subject. Each takes one step in the index, however many uploads it has. */
function keysOf(sql: SqlStorage, subject: string): string[] {
  const next = (from: string) => `SELECT min(creator) FROM uploads WHERE creator ${from} AND creator < ?2`;
  return sql
    .exec<{ key: string }>(
      `WITH RECURSIVE keys (key) AS
         (${next(">= ?1")} UNION ALL SELECT (${next("> key")}) FROM keys WHERE key IS NOT NULL LIMIT ${MAX_NAMESPACES})
       SELECT key FROM keys WHERE key IS NOT NULL`,
      subject,
      afterKeysOf(subject),
    )
    .toArray()
    .map(({ key }) => key)
    .filter((key) => subjectOf(key) === subject);
}
