import { reservedSeconds } from "../accounting.ts";
import { type Answer, fail, succeed } from "../http.ts";
import { readListing } from "../listing.ts";
import { refuseStorage } from "../refusals.ts";
import { readEdit } from "../rules.ts";
import type { Stream } from "../stream.ts";
import type { Video } from "../videos.ts";
import { type ApiCall, type Route, onVideo, readJsonBody } from "./route.ts";

export const VIDEOS: readonly Route[] = [
  { method: "GET", path: "/", answer: list },
  { method: "GET", path: "/storage-usage", answer: showStorageUsage },
  { method: "GET", path: "/:uid", answer: onVideo((stream, video) => succeed(stream.describe(video))) },
  { method: "POST", path: "/:uid", answer: onVideo(edit) },
  { method: "DELETE", path: "/:uid", answer: onVideo(remove) },
];

function list(stream: Stream, { url }: ApiCall): Answer {
  const { limit, ascending, counts, matches } = readListing(url.searchParams);
  const matching = stream.videos.all().filter(matches);
  if (ascending) matching.reverse();
  const page = matching.slice(0, limit).map((video) => stream.describe(video));
  // Text, as in Cloudflare's sample. [S]
  return succeed(page, counts ? { total: String(matching.length), range: String(page.length) } : {});
}

function showStorageUsage(stream: Stream, { url }: ApiCall): Answer {
  const creator = url.searchParams.get("creator") ?? undefined;
  return succeed({
    ...(creator !== undefined && { creator }),
    totalStorageMinutes: stream.storedSeconds(creator) / 60,
    totalStorageMinutesLimit: stream.settings.storageSeconds / 60,
    videoCount: stream.videos.all().filter((video) => creator === undefined || video.creator === creator).length,
  });
}

function edit(stream: Stream, video: Video, call: ApiCall): Answer {
  const pending = video.state === "pendingupload";
  const changes = readEdit(readJsonBody(call), stream.rules(), { ...video, pending });
  const more =
    changes.maxDurationSeconds === undefined
      ? 0
      : reservedSeconds(changes.maxDurationSeconds) - reservedSeconds(video.maxDurationSeconds);
  if (more > 0 && !stream.fits(more)) return refuseStorage(); // [U]
  const changed = stream.videos.update(video.uid, changes);
  return changed ? succeed(stream.describe(changed)) : fail(404, 10003, "video not found");
}

function remove(stream: Stream, video: Video): Answer {
  stream.delete(video); // also frees a reservation [C]
  return { status: 200 };
}
