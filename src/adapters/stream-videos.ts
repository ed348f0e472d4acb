import * as v from "valibot";
import { SLUICE_KEY } from "../domain/policy/reserved-keys.ts";
import type { VideoReport } from "../domain/upload.ts";
import type { StreamApi, Upstream } from "../usecases/ports.ts";
import { readBounded } from "./read-bounded.ts";

/** A list of 1,000 videos is about 2 MB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** As many as Stream gives at once. */
const MAX_LIST = 1_000;
/** Around the moment a creation was sent: clocks differ, and Stream may have taken its time. */
const SEARCH_SECONDS = 120;

const videoSchema = v.object({
  uid: v.string(),
  status: v.object({ state: v.string() }),
  duration: v.optional(v.number(), -1),
  meta: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
});
type Video = v.InferOutput<typeof videoSchema>;

/** Whose call it is, by either of Cloudflare's two schemes. */
export function authorize({ credential }: Upstream): Record<string, string> {
  return credential.kind === "token"
    ? { Authorization: `Bearer ${credential.token}` }
    : { "X-Auth-Email": credential.email, "X-Auth-Key": credential.key };
}

/** What Stream knows of videos that exist. https://developers.cloudflare.com/api/resources/stream/ */
export function createStreamVideos(deadlineMs: number): Pick<StreamApi, "video" | "findVideo" | "deleteVideo"> {
  /** Undefined where there is no answer that could be used. */
  async function call(upstream: Upstream, method: string, path: string) {
    try {
      const response = await fetch(`${upstream.apiBase}/accounts/${upstream.accountId}/stream${path}`, {
        method,
        headers: authorize(upstream),
        redirect: "manual",
        signal: AbortSignal.timeout(deadlineMs),
      });
      const body = await readBounded(response.body, MAX_ANSWER_BYTES);
      return { status: response.status, text: new TextDecoder().decode(body ?? new Uint8Array()) };
    } catch {
      return undefined;
    }
  }

  return {
    async video(upstream, uid) {
      const answer = await call(upstream, "GET", `/${uid}`);
      if (answer?.status === 404) return { kind: "absent" };
      const video = answer?.status === 200 ? readResult(answer.text, videoSchema) : undefined;
      return video && reportOf(video);
    },

    async findVideo(upstream, { uploadId, creator, askedAt }) {
      const time = (seconds: number) => new Date(seconds * 1000).toISOString();
      const query = new URLSearchParams({
        after: time(askedAt - SEARCH_SECONDS),
        before: time(askedAt + SEARCH_SECONDS),
        limit: String(MAX_LIST),
        ...(creator !== undefined && { creator }),
      });
      const answer = await call(upstream, "GET", `?${query.toString()}`);
      const videos = answer?.status === 200 ? readResult(answer.text, v.array(videoSchema)) : undefined;
      if (!videos) return undefined;
      const found = videos.find(({ meta }) => {
        const tag = meta?.[SLUICE_KEY];
        return typeof tag === "string" && tag.endsWith(`/${uploadId}`);
      });
      // A full page may not be all there is.
      if (!found && videos.length === MAX_LIST) return undefined;
      return found ? reportOf(found) : { kind: "absent" };
    },

    async deleteVideo(upstream, uid) {
      const answer = await call(upstream, "DELETE", `/${uid}`);
      return answer !== undefined && (answer.status === 404 || (answer.status >= 200 && answer.status < 300));
    },
  };
}

function readResult<T>(text: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  try {
    const parsed = v.safeParse(v.object({ result: schema }), JSON.parse(text));
    return parsed.success ? parsed.output.result : undefined;
  } catch {
    return undefined;
  }
}

/** https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/#video-status */
function reportOf({ uid, status, duration }: Video): VideoReport {
  switch (status.state) {
    case "pendingupload":
      return { kind: "pending", uid };
    case "ready":
      return { kind: "ready", uid, seconds: Math.max(0, duration) };
    case "error":
      return { kind: "failed", uid };
    default:
      return { kind: "processing", uid };
  }
}
