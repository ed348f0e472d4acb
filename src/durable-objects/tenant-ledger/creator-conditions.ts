import { afterKeysOf, subjectOf } from "../../core/auth/rules/person-key.ts";
import type { CreatorFilter } from "../../core/uploads/rules/upload-record.ts";
import { type Condition, LIST } from "./list-conditions.ts";

/** Namespaces in which one subject is looked for: more than the issuers of any tenant. */
const MAX_NAMESPACES = 100;

/** In the words of the index of labels, which SQLite otherwise does not use. */
const LABEL = "label = ? AND label <> ''";

/** The uploads of a creator, in one part or two. Each part has an index with the order of the ids, and no upload is in both. */
export function creatorParts(sql: SqlStorage, { creator, orLabel, label }: CreatorFilter): Condition[][] {
  if (creator === undefined) return [[]];
  if (orLabel) return [[ofKeys(keysOf(sql, creator), creator)], [[LABEL, creator]]];
  return [
    label === undefined
      ? [["creator = ?", creator]]
      : [
          ["creator = ?", creator],
          [LABEL, label],
        ],
  ];
}

function ofKeys(keys: readonly string[], subject: string): Condition {
  // One key is read in the order of the ids; several are sorted.
  return keys.length > 1 ? [`creator IN ${LIST}`, JSON.stringify(keys)] : ["creator = ?", keys[0] ?? subject];
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
