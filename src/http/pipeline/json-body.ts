import * as v from "valibot";
import { readBounded } from "../../platform/read-bounded.ts";
import { parseJson } from "../../core/shared/json.ts";
import { problem } from "../../core/shared/problem.ts";
import { truncate } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";

/** Enough for a policy document; a D1 row holds up to 2 MB. */
const MAX_JSON_BODY_BYTES = 64 * 1024;

/**
 * Reads a JSON body and validates it.
 *
 * @param contentType `any` for Cloudflare's own paths: `curl --data`, as in its documentation, sends JSON as
 *   `application/x-www-form-urlencoded`
 * @returns 400 with the path of the first issue, 413 above 64 KiB. Never reads past the limit, regardless of Content-Length.
 */
export async function readJson<S extends v.GenericSchema>(
  request: Request,
  schema: S,
  contentType: "json" | "any" = "json",
): Promise<Result<v.InferOutput<S>>> {
  if (
    contentType === "json" &&
    !/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(request.headers.get("content-type") ?? "")
  )
    return err(problem("body_invalid", "The body must be JSON with Content-Type: application/json."));
  const tooLarge = problem("body_too_large", `The body must be at most ${MAX_JSON_BODY_BYTES} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_JSON_BODY_BYTES) return err(tooLarge);

  const bytes = await readBounded(request.body, MAX_JSON_BODY_BYTES, "leave");
  if (!bytes) return err(tooLarge);
  const json = parseJson(bytes);
  if (!json) return err(problem("body_invalid", "The body is not JSON."));

  const parsed = v.safeParse(schema, json.value);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  const message = truncate(describeIssue(issue));
  return err(problem("body_invalid", path ? `${path}: ${message}` : message, path ? { key: path } : {}));
}

function describeIssue({ received, message }: v.BaseIssue<unknown>): string {
  return received === "undefined" ? "is required" : message;
}
