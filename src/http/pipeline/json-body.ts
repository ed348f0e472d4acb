import * as v from "valibot";
import { parseJson } from "../../core/shared/json.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import { truncate } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";
import { readBody } from "./request-body.ts";

/** The names that a field may have, such as all algorithms, and the value that it has instead. */
const MAX_ISSUE_CHARACTERS = 250;

/** `any` for Cloudflare's own paths: `curl --data`, as in its documentation, sends JSON as `application/x-www-form-urlencoded`. */
type ContentType = "json" | "any";

/**
 * Reads a JSON body and validates it.
 *
 * @returns 400 with the path of one issue, or as `readBody`
 */
export async function readJson<S extends v.GenericSchema>(
  request: Request,
  schema: S,
  contentType: ContentType = "json",
): Promise<Result<v.InferOutput<S>>> {
  const refusal = refuseHeaders(request, contentType);
  if (refusal) return err(refusal);
  const body = await readBody(request);
  return body.ok ? parseBody(body.value, schema) : body;
}

/** The same for a body that may be absent: it then counts as `{}`. */
export async function readOptionalJson<S extends v.GenericSchema>(
  request: Request,
  schema: S,
  contentType: ContentType = "json",
): Promise<Result<v.InferOutput<S>>> {
  const body = await readBody(request);
  if (!body.ok) return body;
  if (body.value.length === 0) return parseBody(EMPTY_OBJECT, schema);
  const refusal = refuseHeaders(request, contentType);
  return refusal ? err(refusal) : parseBody(body.value, schema);
}

const EMPTY_OBJECT = new TextEncoder().encode("{}");

function refuseHeaders({ headers }: Request, contentType: ContentType): Problem | undefined {
  if (contentType === "json" && !/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(headers.get("content-type") ?? ""))
    return problem("body_invalid", "The body must be JSON with Content-Type: application/json.");
  return headers.has("content-encoding")
    ? problem("body_invalid", "The body must not have a Content-Encoding.")
    : undefined;
}

function parseBody<S extends v.GenericSchema>(body: Uint8Array, schema: S): Result<v.InferOutput<S>> {
  const json = parseJson(body);
  if (!json) return err(problem("body_invalid", "The body is not JSON."));

  const parsed = v.safeParse(schema, json.value);
  if (parsed.success) return ok(parsed.output);
  // A misspelt field explains the one that is missing.
  const issue = parsed.issues.find(({ expected }) => expected === "never") ?? parsed.issues[0];
  const path = v.getDotPath(issue);
  const message = truncate(describeIssue(issue), MAX_ISSUE_CHARACTERS);
  return err(problem("body_invalid", path ? `${path}: ${message}` : message, path ? { key: path } : {}));
}

/** Does not repeat a text in place of a list or an object, which may be a secret. */
function describeIssue({ expected, received, message }: v.BaseIssue<unknown>): string {
  if (received === "undefined") return "is required";
  return /^(?:Array|Object)$/.test(expected ?? "") ? message.replace(/".*/s, "text") : message;
}
