import * as v from "valibot";
import { rfc3339 } from "../../core/shared/time.ts";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { StreamApi } from "../../core/ports/stream.ts";
import type { AbsentVideo } from "../../core/stream/rules/video.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { type StreamOptions, reportRateLimit } from "./client.ts";
import { parseVideo } from "../../core/stream/rules/parse-video.ts";

/** A list of 1,000 videos is about 2 MB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** As many as Stream gives at once. */
const MAX_LIST = 1_000;

/** Whose call it is, by either of Cloudflare's two schemes. */
export function authorize({ credential }: Upstream): Record<string, string> {
  return credential.kind === "token"
    ? { Authorization: `Bearer ${credential.token}` }
    : { "X-Auth-Email": credential.email, "X-Auth-Key": credential.key };
}

const ABSENT: AbsentVideo = { report: { kind: "absent" } };

/** Of Cloudflare's API. A 404 of a proxy's, or of another API's, says nothing of a video. */
const NOT_FOUND = 10003;

/** What Stream knows of videos that exist. https://developers.cloudflare.com/api/resources/stream/ */
export function createStreamVideos(
  options: StreamOptions,
): Pick<StreamApi, "video" | "listVideosFrom" | "isUploadInProgress" | "deleteVideo"> {
  /** Undefined where there is no answer that could be used. */
  async function call(upstream: Upstream, method: string, path: string) {
    try {
      const response = await fetch(`${upstream.apiBase}/accounts/${upstream.accountId}/stream${path}`, {
        method,
        headers: authorize(upstream),
        redirect: "manual",
        signal: AbortSignal.timeout(options.deadlineMs),
      });
      await reportRateLimit(options, upstream, response, response.status === 429);
      const body = await readBounded(response.body, MAX_ANSWER_BYTES);
      return { status: response.status, text: new TextDecoder().decode(body ?? new Uint8Array()) };
    } catch {
      return undefined;
    }
  }

  return {
    async video(upstream, uid) {
      const answer = await call(upstream, "GET", `/${uid}`);
      if (answer && isNotFound(answer)) return ABSENT;
      return answer?.status === 200 ? parseVideo(readResult(answer.text, v.unknown())) : undefined;
    },

    async listVideosFrom(upstream, created, limit, { before, creator } = {}) {
      const most = Math.min(limit, MAX_LIST);
      const search = new URLSearchParams({
        // Both bounds of Stream's are open, and its times have milliseconds (assumed).
        after: rfc3339(created - 1),
        ...(before !== undefined && { before: rfc3339(before) }),
        ...(creator !== undefined && { creator }),
        asc: "true",
        limit: String(most),
      });
      const answer = await call(upstream, "GET", `?${search.toString()}`);
      const items = answer?.status === 200 ? readResult(answer.text, v.array(v.unknown())) : undefined;
      const videos = items?.map(parseVideo).filter((video) => video !== undefined);
      return items && videos && { videos, last: items.length < most };
    },

    async isUploadInProgress(location) {
      try {
        const headers = { "Tus-Resumable": TUS_VERSION };
        const signal = AbortSignal.timeout(options.deadlineMs);
        const answer = await fetch(location, { method: "HEAD", headers, redirect: "manual", signal });
        if (answer.ok) return Number(answer.headers.get("upload-offset")) > 0;
        // Not even a lock (423) or a fault says that nothing runs: only that the URL is dead (tus: "404 Not Found, 410 Gone or
        // 403 Forbidden"), or none of tus.
        return ![403, 404, 405, 410].includes(answer.status);
      } catch {
        return true;
      }
    },

    async deleteVideo(upstream, uid) {
      const answer = await call(upstream, "DELETE", `/${uid}`);
      return answer !== undefined && (isNotFound(answer) || (answer.status >= 200 && answer.status < 300));
    },
  };
}

const errorsSchema = v.object({ errors: v.array(v.object({ code: v.number() })) });

function isNotFound({ status, text }: { readonly status: number; readonly text: string }): boolean {
  return status === 404 && (readEnvelope(text, errorsSchema)?.errors.some(({ code }) => code === NOT_FOUND) ?? false);
}

/** The `result` of Cloudflare's envelope; undefined: it is none, or not what was asked for. */
export function readResult<T>(text: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  return readEnvelope(text, v.object({ result: schema }))?.result;
}

/** What was asked for of a JSON answer; undefined: it is none, or without that. */
export function readEnvelope<T>(text: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
