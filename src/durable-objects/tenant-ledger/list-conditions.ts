import type { UploadQuery } from "../../core/uploads/rules/upload-record.ts";

/** Of JSON text. */
export const LIST = "(SELECT value FROM json_each(?))";

/** Of a video: as Stream has described it last, or as the upload was created. */
const NAME = "coalesce(json_extract(video, '$.meta.name'), name)";

/** A part of a WHERE clause, with the values of its placeholders. */
export type Condition = [sql: string, ...values: (string | number)[]];

/** The conditions of a list that no index serves: they are applied to a bounded number of rows. */
export function rowConditions({ state, video = {} }: UploadQuery): Condition[] {
  const conditions: Condition[] = [];
  if (state !== undefined) conditions.push(["state = ?", state]);
  const { names, name, search } = video;
  if (names) conditions.push([`(uid IN ${LIST} OR ${NAME} IN ${LIST})`, JSON.stringify(names), JSON.stringify(names)]);
  if (name !== undefined) conditions.push([`${NAME} = ?`, name]);
  // Not LIKE: an object accepts only patterns of 50 bytes.
  if (search !== undefined) conditions.push([`instr(lower(${NAME}), lower(?)) > 0`, search]);
  return conditions;
}

/** All conditions joined by AND; empty if there are none. */
export function conjunction(conditions: readonly Condition[]): [sql: string, values: (string | number)[]] {
  return [conditions.map(([sql]) => sql).join(" AND "), conditions.flatMap(([, ...values]) => values)];
}
