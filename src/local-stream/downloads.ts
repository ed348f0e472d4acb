import { type Answer, succeed } from "./http.ts";
import type { Stream } from "./stream.ts";
import { demand } from "./values.ts";
import type { Video } from "./videos.ts";

/** `/:uid/downloads`: the MP4 of a video, the type `default`. @param host of the playback URLs */
export function answerDownloads(stream: Stream, method: string, video: Video, host: string): Answer | undefined {
  switch (method) {
    case "GET":
      return succeed(describeDownloads(stream, video, host));
    case "POST": {
      demand(video.state === "ready", "the video is not ready"); // [C] "when a video is ready to view"
      const downloadRequested = video.downloadRequested ?? stream.clock.now();
      const changed = stream.videos.update(video.uid, { downloadRequested });
      return succeed(describeDownloads(stream, changed ?? video, host));
    }
    case "DELETE":
      stream.videos.update(video.uid, { downloadRequested: null });
      return succeed("");
    default:
      return undefined;
  }
}

/** Whether the MP4 has been made. */
export function isDownloadReady({ clock, settings }: Stream, { downloadRequested }: Video): boolean {
  return downloadRequested !== null && clock.now() >= downloadRequested + settings.processingMs;
}

/** The members are [C]; `percentComplete` is a number in the SDK's types. */
function describeDownloads(stream: Stream, video: Video, host: string) {
  if (video.downloadRequested === null) return {};
  const ready = isDownloadReady(stream, video);
  const url = `${host}/${video.uid}/downloads/default.mp4`;
  return { default: { status: ready ? "ready" : "inprogress", percentComplete: ready ? 100 : 0, url } };
}
