import * as v from "valibot";
import { cursor, limit } from "./query.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100;

/** Cursor of lists ordered by id. */
const ID_CURSOR = /^[A-Za-z0-9-]{0,32}$/;

/** The parameters of a list that `pageOf` answers. An empty cursor is the first page. */
export const pageParameters = (pattern = ID_CURSOR) => ({
  limit: limit({ fallback: DEFAULT_LIMIT, max: MAX_LIMIT }),
  cursor: v.optional(cursor(pattern), ""),
});

/** A page, with the cursor of the next page if the page is full. */
export function pageOf(name: string, documents: readonly { readonly id: string }[], limit: number) {
  const last = documents.at(-1);
  return { [name]: documents, ...(last && documents.length === limit && { cursor: last.id }) };
}
