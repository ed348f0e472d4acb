import { createWriteStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Answer, fail } from "./http.ts";
import { countBody } from "./recorder.ts";
import type { Stream } from "./stream.ts";
import type { Video } from "./videos.ts";

/** [C] in megabytes; [U] that they are decimal. */
const MAX_BASIC_BYTES = 200_000_000;
/** Boundaries, names and other small fields of the form. */
const MAX_FORM_OVERHEAD_BYTES = 65_536;

/**
 * Receives "a single HTTP POST multipart/form-data request" with the file in the field `file`. [C] Reads the whole form into
 * memory, 200 MB at most. Status codes are [U].
 */
export async function receiveForm(request: IncomingMessage, stream: Stream, video: Video): Promise<Answer> {
  if (request.method !== "POST") return { status: 405 };
  if (video.state !== "pendingupload") return fail(400, 10010, "the link is already used");
  const limit = MAX_BASIC_BYTES + MAX_FORM_OVERHEAD_BYTES;
  if (Number(request.headers["content-length"] ?? 0) > limit) return fail(413, 10005, "the file is too large");
  countBody(request, (bytes) => {
    if (bytes > limit) request.destroy();
  });
  const headers = { "Content-Type": request.headers["content-type"] ?? "" };
  const form = await new Response(Readable.toWeb(request) as never, { headers }).formData().catch(() => undefined);
  const file = form?.get("file");
  if (!(file instanceof File)) return fail(400, 10005, "the form has no file in the field `file`");
  if (file.size > MAX_BASIC_BYTES) return fail(413, 10005, "the file is too large");
  await pipeline(Readable.fromWeb(file.stream()), createWriteStream(stream.fileOf(video)));
  if (stream.videos.get(video.uid)?.state !== "pendingupload") return fail(400, 10010, "the link is already used");
  stream.uploaded(video, file.size);
  return { status: 200 };
}
