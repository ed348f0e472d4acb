import { isUtf8 } from "node:buffer";
import { type Answer, fail, succeed } from "../http.ts";
import type { Stream } from "../stream.ts";
import { demand } from "../values.ts";
import type { Video } from "../videos.ts";
import { type ApiCall, type Route, onVideo, readFormBody } from "./route.ts";

/** [C] */
const MAX_CAPTION_BYTES = 10_000_000;
/** BCP 47 [C]; how strict is [U]. */
const LANGUAGE = /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/;

/** The first line, which a byte order mark may precede. https://www.w3.org/TR/webvtt1/#file-structure */
const WEBVTT = /^\uFEFF?WEBVTT(?:[ \t\r\n]|$)/;

/** Captions that are uploaded. Those that Stream generates are not offered here. */
export const CAPTIONS: readonly Route[] = [
  { method: "GET", path: "/:uid/captions", answer: onVideo(listCaptions) },
  { method: "GET", path: "/:uid/captions/:language", answer: onCaption((language) => succeed(describe(language))) },
  { method: "PUT", path: "/:uid/captions/:language", answer: onVideo(putCaption) },
  { method: "DELETE", path: "/:uid/captions/:language", answer: onVideo(deleteCaption) },
  { method: "GET", path: "/:uid/captions/:language/vtt", answer: onCaption(showText) },
];

function listCaptions(_: Stream, { captions }: Video): Answer {
  return succeed(Object.keys(captions).map((language) => describe(language)));
}

function onCaption(answer: (language: string, text: string) => Answer): Route["answer"] {
  return onVideo((_, { captions }, call) => {
    const language = readLanguage(call);
    const text = captions[language];
    return text === undefined ? fail(404, 10003, "captions not found") : answer(language, text);
  });
}

function showText(_: string, text: string): Answer {
  return { status: 200, headers: { "Content-Type": "text/vtt" }, body: text };
}

/** A form with one part, `file`: WebVTT. [C] That another one is refused is [U]. */
async function putCaption(stream: Stream, { uid }: Video, call: ApiCall): Promise<Answer> {
  const language = readLanguage(call);
  const parts = [...(await readFormBody(call))];
  demand(parts.length === 1, "the form must have one part");
  const [name, file] = parts[0] ?? [];
  demand(name === "file" && file !== undefined, "the part must be called file");
  const bytes = typeof file === "string" ? Buffer.from(file) : Buffer.from(await file.arrayBuffer());
  demand(bytes.byteLength <= MAX_CAPTION_BYTES, "captions have at most 10 MB");
  demand(isUtf8(bytes), "the file must be UTF-8");
  const text = bytes.toString("utf8");
  demand(WEBVTT.test(text), "the file must be WebVTT");
  const captions = { ...stream.videos.get(uid)?.captions, [language]: text };
  return stream.videos.update(uid, { captions }) ? succeed(describe(language)) : fail(404, 10003, "video not found");
}

function deleteCaption(stream: Stream, { uid, captions }: Video, call: ApiCall): Answer {
  const { [readLanguage(call)]: text, ...others } = captions;
  if (text === undefined) return fail(404, 10003, "captions not found");
  stream.videos.update(uid, { captions: others });
  return succeed("");
}

function readLanguage({ parameters }: ApiCall): string {
  const language = parameters["language"] ?? "";
  demand(LANGUAGE.test(language) && labelOf(language) !== undefined, "language must be a BCP 47 tag");
  return language;
}

/** `status` is of generated captions [C]; that those that were uploaded have it is [U]. */
function describe(language: string) {
  return { language, label: labelOf(language), generated: false, status: "ready" };
}

/** The language's own name for itself. [C] @returns `undefined` if its tag is not one */
function labelOf(language: string): string | undefined {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(language);
  } catch {
    return undefined;
  }
}
