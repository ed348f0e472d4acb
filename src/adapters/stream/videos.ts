import type { StreamApi } from "../../core/ports/stream.ts";
import { rfc3339 } from "../../core/shared/time.ts";
import { isNotFound } from "../../core/stream/rules/map-stream-error.ts";
import { parseVideo, skippedVideo } from "../../core/stream/rules/parse-video.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { AbsentVideo } from "../../core/stream/rules/video.ts";
import { TUS_VERSION } from "../../core/uploads/rules/tus-creation.ts";
import type { StreamClient, StreamEnvelope, StreamRequest } from "./client.ts";

/** A list of 1,000 videos is about 2 MB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** Stream's limit per list. */
const MAX_LIST = 1_000;

const ABSENT: AbsentVideo = { report: { kind: "absent" } };

/** tus: "404 Not Found, 410 Gone or 403 Forbidden" if there is no such upload; 405 is the answer of a basic link. */
const DEAD_UPLOAD_STATUSES: ReadonlySet<number> = new Set([403, 404, 405, 410]);

/** Reads and deletes videos. https://developers.cloudflare.com/api/resources/stream/ */
export function createStreamVideos(
  client: StreamClient,
): Pick<StreamApi, "video" | "listVideosFrom" | "uploadUrlState" | "deleteVideo"> {
  /** @returns `undefined` if Stream does not answer, or its answer breaks off */
  async function call(upstream: Upstream, method: StreamRequest["method"], path: string): Promise<Answer | undefined> {
    try {
      const answer = await client.request(upstream, { method, path, maxBytes: MAX_ANSWER_BYTES });
      return { status: answer.status, envelope: await answer.envelope() };
    } catch {
      return undefined;
    }
  }

  return {
    async video(upstream, uid) {
      const answer = await call(upstream, "GET", `/${uid}`);
      if (answer && isNotFound({ status: answer.status, ...answer.envelope })) return ABSENT;
      const video = answer?.status === 200 ? parseVideo(answer.envelope?.result, upstream) : undefined;
      // Another video may be another tenant's.
      return video?.report.uid === uid ? video : undefined;
    },

    async listVideosFrom(upstream, created, limit, { before, creator } = {}) {
      const pageSize = Math.min(limit, MAX_LIST);
      const search = new URLSearchParams({
        // Stream excludes both bounds, and its times have milliseconds (assumed).
        after: rfc3339(created - 0.001),
        ...(before !== undefined && { before: rfc3339(before) }),
        ...(creator !== undefined && { creator }),
        asc: "true",
        limit: String(pageSize),
      });
      const answer = await call(upstream, "GET", `?${search.toString()}`);
      if (answer?.status !== 200) return undefined;
      const items = answer.envelope?.result;
      if (!Array.isArray(items)) return "unreadable";
      const videos = items.map((item: unknown) => parseVideo(item, upstream) ?? skippedVideo(item));
      return { videos, last: items.length < pageSize };
    },

    async uploadUrlState(location) {
      try {
        const { ok, status, headers } = await client.headUpload(location, { "Tus-Resumable": TUS_VERSION });
        if (ok) return Number(headers.get("upload-offset")) > 0 ? "in use" : "empty";
        // A lock (423) or a fault does not prove that no upload is running.
        return DEAD_UPLOAD_STATUSES.has(status) ? "dead" : "unclear";
      } catch {
        return "unclear";
      }
    },

    async deleteVideo(upstream, uid) {
      const answer = await call(upstream, "DELETE", `/${uid}`);
      return (
        answer !== undefined &&
        (isNotFound({ status: answer.status, ...answer.envelope }) || (answer.status >= 200 && answer.status < 300))
      );
    },
  };
}

interface Answer {
  readonly status: number;
  readonly envelope: StreamEnvelope | undefined;
}
