import { problem } from "../../core/shared/problem.ts";
import { type Result, err, ok } from "../../core/shared/result.ts";
import { isWebVtt } from "../../core/stream/rules/webvtt.ts";
import { readBody } from "./request-body.ts";

/** "Caption files must be no larger than 10 MB." https://developers.cloudflare.com/stream/edit-videos/adding-captions/ */
const MAX_FILE_BYTES = 10_000_000;
/** The boundaries and headers of a form with one part. */
const FORM_BYTES = 4_096;
/** A file of the maximum size over 3 Mbit/s. */
const MAX_SECONDS = 30;

const NOT_A_FORM = err(
  problem("body_invalid", "The body must be a form (multipart/form-data) with one part, file: the captions as WebVTT."),
);

/** Reads a form with one part, `file`, which is WebVTT. @returns its text */
export async function readCaptionFile(request: Request): Promise<Result<string>> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*;/i.test(contentType) || request.headers.has("content-encoding")) return NOT_A_FORM;
  const body = await readBody(request, { maxBytes: MAX_FILE_BYTES + FORM_BYTES, maxSeconds: MAX_SECONDS });
  if (!body.ok) return body;
  const form = await new Response(body.value, { headers: { "Content-Type": contentType } })
    .formData()
    .catch(() => null);
  const parts = [...(form ?? [])];
  const [name, file] = parts[0] ?? [];
  if (parts.length !== 1 || name !== "file" || file === undefined) return NOT_A_FORM;

  const bytes = typeof file === "string" ? new TextEncoder().encode(file) : new Uint8Array(await file.arrayBuffer());
  if (bytes.byteLength > MAX_FILE_BYTES)
    return err(problem("body_too_large", `The file must have at most ${MAX_FILE_BYTES} bytes.`));
  const text = decode(bytes);
  if (text === undefined || !isWebVtt(text))
    return err(
      problem("body_invalid", "The file must be WebVTT in UTF-8: its first line begins with WEBVTT.", { key: "file" }),
    );
  return ok(text);
}

/** Without the byte order mark. @returns `undefined` if it is not UTF-8 */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    return undefined;
  }
}
