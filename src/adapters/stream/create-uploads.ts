import * as v from "valibot";
import type { StreamApi } from "../../core/ports/stream.ts";
import { type Problem, problem } from "../../core/shared/problem.ts";
import type { StreamOutcome, UpstreamCreation } from "../../core/stream/rules/creation.ts";
import { type StreamErrorResponse, isNotFound, toProblem } from "../../core/stream/rules/map-stream-error.ts";
import { parseVideo } from "../../core/stream/rules/parse-video.ts";
import { parseLocation, parseUid } from "../../core/stream/rules/upload-url.ts";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import { type StreamAnswer, type StreamClient, UrlNotAllowed, noAnswer } from "./client.ts";

const linkSchema = v.object({ uid: v.string(), uploadURL: v.string() });
const JSON_HEADERS = { "Content-Type": "application/json" };

/**
 * Creates upload URLs, for tus and for basic links, and videos without an upload.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/methods/create/
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/direct_upload/methods/create/
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/copy/methods/create/
 * @see https://developers.cloudflare.com/api/resources/stream/subresources/clip/methods/create/
 */
export function createStreamUploads(
  { request }: StreamClient,
  allowLoopback: boolean,
): Pick<StreamApi, "create" | "createDirect" | "make"> {
  return {
    async create(upstream, creation) {
      try {
        const path = "?direct_user=true";
        const answer = await request(upstream, { method: "POST", path, headers: tusHeaders(creation) });
        if (answer.status !== 201) return await outcomeOfError(answer);
        // The headers say it all: the body is not read.
        const uid = parseUid(answer.headers.get("stream-media-id"));
        const location = parseLocation(answer.headers.get("location") ?? "", upstream.uploadHosts, allowLoopback);
        return toCreationOutcome(answer.status, uid, location);
      } catch (error) {
        return outcomeOfNoAnswer(error);
      }
    },

    async createDirect(upstream, creation) {
      try {
        const body = JSON.stringify(creation);
        const answer = await request(upstream, { method: "POST", path: "/direct_upload", headers: JSON_HEADERS, body });
        if (answer.status !== 200) return await outcomeOfError(answer);
        const link = v.safeParse(linkSchema, (await answer.envelope())?.result);
        const { uid, uploadURL } = link.success ? link.output : { uid: null, uploadURL: "" };
        const location = parseLocation(uploadURL, upstream.uploadHosts, allowLoopback);
        return toCreationOutcome(answer.status, parseUid(uid), location);
      } catch (error) {
        return outcomeOfNoAnswer(error);
      }
    },

    async make(upstream, { kind, body: json }) {
      try {
        const body = JSON.stringify(json);
        const answer = await request(upstream, { method: "POST", path: `/${kind}`, headers: JSON_HEADERS, body });
        const { status } = answer;
        if (status < 200 || status >= 300) {
          const error = await answer.error();
          const failure = isNotFound(error) ? NO_PARENT : withoutTexts(toProblem(error), error);
          return { kind: kindOf(error), status, problem: failure };
        }
        const video = parseVideo((await answer.envelope())?.result, upstream);
        if (video) return { kind: "made", status, uid: video.report.uid, video };
        return { kind: "unknown", status, problem: problem("stream_bad_answer", "Stream's answer cannot be used.") };
      } catch (error) {
        return outcomeOfNoAnswer(error);
      }
    },
  };
}

const NO_PARENT = problem("not_found", "Stream has no such video any more.");

/** Stream's texts may quote the link of a copy, which may be signed: only their codes are logged. */
function withoutTexts(problem: Problem, { errors }: StreamErrorResponse): Problem {
  return { ...problem, facts: { upstreamErrors: errors.map(({ code }) => String(code)) } };
}

function tusHeaders({ length, metadata, creator }: UpstreamCreation): Record<string, string> {
  return {
    "Tus-Resumable": TUS_VERSION,
    "Upload-Length": String(length),
    "Upload-Metadata": metadata,
    ...(creator !== undefined && { "Upload-Creator": creator }),
  };
}

/** Without a uid or a usable URL the outcome is unknown: there may be a video, but its URL cannot be handed out. */
function toCreationOutcome(status: number, uid: string | undefined, location: string | undefined): StreamOutcome {
  if (uid !== undefined && location !== undefined) return { kind: "created", status, uid, location };
  const missing = uid === undefined ? "uid" : "upload URL";
  return {
    kind: "unknown",
    status,
    ...(uid !== undefined && { uid }),
    problem: problem("stream_bad_answer", "Stream's answer cannot be used.", { facts: { missing, uid } }),
  };
}

/**
 * A 4xx, or an error in Cloudflare's envelope, proves that there is no video. A proxy's 504, a bare 500 or another 2xx may
 * follow a successful creation.
 */
async function outcomeOfError(answer: StreamAnswer): Promise<StreamOutcome> {
  const error = await answer.error();
  return { kind: kindOf(error), status: error.status, problem: toProblem(error) };
}

function kindOf({ status, errors }: StreamErrorResponse): "refused" | "unknown" {
  return (status >= 400 && status < 500) || errors.length > 0 ? "refused" : "unknown";
}

function outcomeOfNoAnswer(error: unknown): StreamOutcome {
  // A call that was not sent has created nothing.
  return { kind: error instanceof UrlNotAllowed ? "refused" : "unknown", problem: noAnswer(error) };
}
