import { type Result, ok, err } from "../../../core/shared/result.ts";
import type { UploadQuery } from "../../../core/uploads/rules/upload-record.ts";
import { UPLOAD_STATES } from "../../../core/uploads/rules/upload-state.ts";
import { badParameter, parseCreator, parseLimit, parseMoment, readQuery } from "../../pipeline/query.ts";

/** A page of a table. */
const DEFAULT_LIMIT = 50;

/** An upload is about 300 bytes of JSON; a page stays well under a megabyte. */
const MAX_LIMIT = 1_000;

/** Of the last upload that was shown, its id. */
const CURSOR = /^[0-9a-f-]{36}$/;

const PARAMETERS = ["state", "creator", "from", "to", "cursor", "limit"] as const;

export function parseUploadQuery(parameters: Iterable<readonly [string, string]>): Result<UploadQuery> {
  const query = readQuery(parameters, PARAMETERS);
  if (!query.ok) return query;
  const [asked, cursor] = [query.value.get("state"), query.value.get("cursor")];

  const state = UPLOAD_STATES.find((state) => state === asked);
  if (asked !== undefined && state === undefined)
    return err(badParameter("state", `must be one of ${UPLOAD_STATES.join(", ")}`));
  const creator = parseCreator(query.value.get("creator"));
  if (!creator.ok) return creator;
  if (cursor !== undefined && !CURSOR.test(cursor))
    return err(badParameter("cursor", "must be the cursor of the page before"));
  const from = parseMoment("from", query.value.get("from"), "up");
  if (!from.ok) return from;
  const to = parseMoment("to", query.value.get("to"), "up");
  if (!to.ok) return to;
  const limit = parseLimit(query.value.get("limit"), { fallback: DEFAULT_LIMIT, most: MAX_LIMIT });
  if (!limit.ok) return limit;
  return ok({
    limit: limit.value,
    ...(state && { state }),
    ...(creator.value !== undefined && { creator: creator.value }),
    ...(from.value !== undefined && { from: from.value }),
    ...(to.value !== undefined && { to: to.value }),
    ...(cursor !== undefined && { cursor }),
  });
}
