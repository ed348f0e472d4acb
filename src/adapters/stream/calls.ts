import type { StreamApi, StreamCall } from "../../core/ports/stream.ts";
import { problem } from "../../core/shared/problem.ts";
import { err, ok } from "../../core/shared/result.ts";
import { isNotFound, toProblem } from "../../core/stream/rules/map-stream-error.ts";
import { type StreamClient, type StreamRequest, noAnswer } from "./client.ts";

/** A file of captions has at most 10 MB. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024;

/** Calls about videos that exist. https://developers.cloudflare.com/api/resources/stream/ */
export function createStreamCalls({ request }: StreamClient): Pick<StreamApi, "call"> {
  return {
    async call(upstream, call) {
      const { method, path, accept } = call;
      try {
        const answer = await request(upstream, { method, path, maxBytes: MAX_ANSWER_BYTES, ...contentOf(call) });
        if (answer.status < 200 || answer.status >= 300) {
          const error = await answer.error();
          return err(isNotFound(error) ? NOT_AT_STREAM : toProblem(error, "request"));
        }
        const text = await answer.text();
        if (accept !== undefined || text === "") return ok(text);
        const envelope = await answer.envelope();
        return envelope ? ok(envelope.result) : err(problem("stream_bad_answer", "Stream's answer cannot be used."));
      } catch (error) {
        return err(noAnswer(error));
      }
    },
  };
}

const NOT_AT_STREAM = problem("not_found", "Stream has no such video, or nothing of this kind for it.");

/** Builds the body from checked values. A client's own body is never forwarded. */
function contentOf({ json, file, accept }: StreamCall): Pick<StreamRequest, "headers" | "body"> {
  const headers = accept === undefined ? {} : { Accept: accept };
  if (json) return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(json) };
  if (!file) return { headers };
  const form = new FormData();
  form.set("file", new File([file.text], file.name, { type: file.type }));
  return { headers, body: form };
}
