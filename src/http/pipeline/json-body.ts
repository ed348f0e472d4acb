import * as v from "valibot";
import { readBounded } from "../../platform/read-bounded.ts";
import { problem } from "../../core/shared/problem.ts";
import { truncate } from "../../core/shared/text.ts";
import { type Result, ok, err } from "../../core/shared/result.ts";

/** Ample for a policy document; D1 takes 2 MB a row. */
const MAX_JSON_BODY_BYTES = 64 * 1024;

/**
 * Reads a JSON body and checks it: 400 with the path to what is wrong, 413 where it is larger than anything that is asked
 * for here. Nothing beyond the bound is read, whatever Content-Length says.
 */
export async function readJson<S extends v.GenericSchema>(
  request: Request,
  schema: S,
): Promise<Result<v.InferOutput<S>>> {
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(request.headers.get("content-type") ?? ""))
    return err(problem("body_invalid", "Send a JSON body, with Content-Type: application/json."));
  const tooLarge = problem("body_too_large", `A body may have ${MAX_JSON_BODY_BYTES} bytes.`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_JSON_BODY_BYTES) return err(tooLarge);

  const bytes = await readBounded(request.body, MAX_JSON_BODY_BYTES);
  if (!bytes) return err(tooLarge);
  const json = parseJson(bytes);
  if (!json) return err(problem("body_invalid", "The body is not JSON."));

  const parsed = v.safeParse(schema, json.value);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  return err(
    problem(
      "body_invalid",
      path ? `${path}: ${truncate(issue.message)}` : truncate(issue.message),
      path ? { key: path } : {},
    ),
  );
}

/** JSON in UTF-8; undefined: it is none. */
export function parseJson(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)) };
  } catch {
    return undefined;
  }
}
