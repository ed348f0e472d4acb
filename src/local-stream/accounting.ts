import type { Video } from "./videos.ts";

/** What a creation without `maxdurationseconds` reserves. [S] */
const DEFAULT_RESERVED_SECONDS = 14_400;

/** Seconds that a creation with this maximum duration reserves of the account's storage. [C] */
export function reservedSeconds(maxDurationSeconds: number | null): number {
  return maxDurationSeconds ?? DEFAULT_RESERVED_SECONDS;
}

/**
 * Seconds that a video counts against the account's storage: what it reserves while it is pending or being processed, its
 * real length once it is ready. A reservation is released when the video is processed, fails or its link expires. [C]
 */
export function countedSeconds(video: Video, now: number): number {
  if (video.state === "ready") return video.duration;
  return video.state === "error" || isExpired(video, now) ? 0 : reservedSeconds(video.maxDurationSeconds);
}

/** The upload URL has expired before the upload finished. */
export function isExpired(video: Video, now: number): boolean {
  return video.state === "pendingupload" && video.uploadExpiry <= now;
}

/** Counts against the limit of videos that are queued or encoding. [C] */
export function isQueued({ state }: Video): boolean {
  return state === "queued" || state === "inprogress";
}
