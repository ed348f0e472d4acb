import type { IncomingHttpHeaders } from "node:http";
import { type Answer, fail } from "../http.ts";
import type { Stream } from "../stream.ts";
import { RuleBroken } from "../values.ts";
import type { Video } from "../videos.ts";

/** A complete API call. It is carried out even if the connection breaks. */
export interface ApiCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** Every value of each header, names in lower case. */
  readonly headersDistinct: Readonly<Record<string, string[] | undefined>>;
  readonly body: Buffer;
  /** The values of the path's parameters, by name. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** One operation of the API. Throws `RuleBroken` for an input that breaks a rule: a 400. */
export interface Route {
  readonly method: string;
  /** Below `/stream`; `:name` stands for one segment, whose value is in `parameters`. */
  readonly path: string;
  readonly answer: (stream: Stream, call: ApiCall) => Answer | Promise<Answer>;
}

/** A route's `answer` for the video that `:uid` names. */
export function onVideo(
  answer: (stream: Stream, video: Video, call: ApiCall) => Answer | Promise<Answer>,
): Route["answer"] {
  return (stream, call) => {
    const video = stream.videos.get(call.parameters["uid"] ?? "");
    return video ? answer(stream, video, call) : fail(404, 10003, "video not found");
  };
}

/** Reads a body of JSON. Throws `RuleBroken`. */
export function readJsonBody({ body }: ApiCall): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new RuleBroken("the body is not JSON");
  }
}

/** Reads a body of JSON that may be left out. Throws `RuleBroken`. */
export function readOptionalJsonBody(call: ApiCall): unknown {
  return call.body.byteLength === 0 ? {} : readJsonBody(call);
}

/** Reads a body of `multipart/form-data`. Throws `RuleBroken`. */
export async function readFormBody({ body, headers }: ApiCall): Promise<FormData> {
  const form = new Response(Uint8Array.from(body), { headers: { "Content-Type": headers["content-type"] ?? "" } });
  return form.formData().catch(() => {
    throw new RuleBroken("the body is not a form");
  });
}
