import type { ApiCall } from "./api-call.ts";
import { type Answer, fail, succeed } from "./http.ts";
import type { Stream } from "./stream.ts";
import { demand } from "./values.ts";
import type { Video } from "./videos.ts";

/** [C] */
const MAX_CAPTION_BYTES = 10_000_000;
/** BCP 47 [C]; how strict is [U]. */
const LANGUAGE = /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/;

/** `/:uid/captions…`: captions that are uploaded. Those that Stream generates are not offered here. */
export function answerCaptions(
  stream: Stream,
  call: ApiCall,
  video: Video,
  path: readonly string[],
): Answer | undefined {
  const [language, vtt, ...rest] = path;
  const { method } = call;
  if (rest.length > 0 || (vtt !== undefined && vtt !== "vtt")) return undefined;
  if (language === undefined) {
    if (method !== "GET") return undefined;
    return succeed(Object.keys(video.captions).map((each) => describeCaption(each)));
  }
  demand(LANGUAGE.test(language), "language must be a BCP 47 tag");
  const text = video.captions[language];
  if (vtt === undefined && method === "PUT") return putCaption(stream, call, video, language);
  if (text === undefined) return fail(404, 10003, "captions not found");
  if (vtt !== undefined)
    return method === "GET" ? { status: 200, headers: { "Content-Type": "text/vtt" }, body: text } : undefined;
  if (method === "GET") return succeed(describeCaption(language));
  if (method !== "DELETE") return undefined;
  const { [language]: _, ...captions } = video.captions;
  stream.videos.update(video.uid, { captions });
  return succeed("");
}

/** A form with one part, `file`: WebVTT. [C] That another one is refused is [U]. */
function putCaption(stream: Stream, { headers, bytes }: ApiCall, video: Video, language: string): Answer {
  const [, boundary] = /^multipart\/form-data;\s*boundary="?([^";]+)"?/i.exec(headers["content-type"] ?? "") ?? [];
  demand(boundary !== undefined, "the body must be a form");
  const parts = bytes.toString("utf8").split(`--${boundary}`).slice(1, -1);
  demand(parts.length === 1, "the form must have one part");
  const [head = "", ...content] = (parts[0] ?? "").split("\r\n\r\n");
  demand(/\bname="file"/.test(head), "the part must be called file");
  const text = content.join("\r\n\r\n").replace(/\r\n$/, "");
  demand(Buffer.byteLength(text) <= MAX_CAPTION_BYTES, "captions have at most 10 MB");
  demand(text.startsWith("WEBVTT"), "the file must be WebVTT");
  stream.videos.update(video.uid, { captions: { ...video.captions, [language]: text } });
  return succeed(describeCaption(language));
}

/** The label is the language's own name for itself. [C] */
function describeCaption(language: string) {
  const label = new Intl.DisplayNames([language], { type: "language" }).of(language);
  return { language, label, generated: false, status: "ready" };
}
