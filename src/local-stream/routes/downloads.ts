import { type Answer, fail, succeed } from "../http.ts";
import type { Stream } from "../stream.ts";
import { demand } from "../values.ts";
import type { Video } from "../videos.ts";
import { type Route, onVideo } from "./route.ts";

/** The MP4 of a video: the type `default`. */
export const DOWNLOADS: readonly Route[] = [
  { method: "GET", path: "/:uid/downloads", answer: onVideo((stream, video) => succeed(describe(stream, video))) },
  { method: "POST", path: "/:uid/downloads", answer: onVideo(requestDownload) },
  { method: "DELETE", path: "/:uid/downloads", answer: onVideo(deleteDownload) },
];

function requestDownload(stream: Stream, video: Video): Answer {
  demand(video.state === "ready", "the video is not ready"); // [C] "when a video is ready to view"
  const downloadRequested = video.downloadRequested ?? stream.clock.now();
  const changed = stream.videos.update(video.uid, { downloadRequested });
  return changed ? succeed(describe(stream, changed)) : fail(404, 10003, "video not found");
}

function deleteDownload(stream: Stream, { uid }: Video): Answer {
  stream.videos.update(uid, { downloadRequested: null });
  return succeed("");
}

/** Whether the MP4 has been made. */
export function isDownloadReady({ clock, settings }: Stream, { downloadRequested }: Video): boolean {
  return downloadRequested !== null && clock.now() >= downloadRequested + settings.processingMs;
}

/** The members are [C]; `percentComplete` is a number in the SDK's types. */
function describe(stream: Stream, video: Video) {
  if (video.downloadRequested === null) return {};
  const ready = isDownloadReady(stream, video);
  const url = `${stream.origin}/${video.uid}/downloads/default.mp4`;
  return { default: { status: ready ? "ready" : "inprogress", percentComplete: ready ? 100 : 0, url } };
}
