import { reservedSeconds } from "../accounting.ts";
import { type Answer, fail, succeed } from "../http.ts";
import { refuseQueue, refuseStorage } from "../refusals.ts";
import { type Creation, readClip, readCopy, readDirectUpload, readTusCreation } from "../rules.ts";
import type { Stream } from "../stream.ts";
import { demand } from "../values.ts";
import type { Video } from "../videos.ts";
import { type ApiCall, type Route, readJsonBody } from "./route.ts";

export const CREATIONS: readonly Route[] = [
  { method: "POST", path: "/", answer: create },
  { method: "POST", path: "/direct_upload", answer: createBasic },
  { method: "POST", path: "/copy", answer: copy },
  { method: "POST", path: "/clip", answer: clip },
];

function create(stream: Stream, { url, body, headersDistinct }: ApiCall): Answer {
  // Without direct_user, the Location works only with a token [C]; not supported here.
  demand(url.searchParams.get("direct_user") === "true", "direct_user must be true here");
  demand(body.byteLength === 0, "a creation has no body"); // [C] that it needs none, [U] that it is refused
  const creation = readTusCreation(headersDistinct, stream.rules());
  const admitted = admit(stream, "tus", creation);
  if ("status" in admitted) return admitted;
  const headers = { Location: stream.urlOf(admitted), "stream-media-id": admitted.uid, "Tus-Resumable": "1.0.0" };
  return { status: 201, headers }; // an empty body [C]
}

function createBasic(stream: Stream, call: ApiCall): Answer {
  const creation = readDirectUpload(readJsonBody(call), stream.rules());
  const admitted = admit(stream, "basic", { ...creation, creator: creatorOf(creation, call) });
  if ("status" in admitted) return admitted;
  const { watermark, scheduledDeletion } = stream.describe(admitted);
  return succeed({ uid: admitted.uid, uploadURL: stream.urlOf(admitted), watermark, scheduledDeletion });
}

/** The SDK can send it as a header as well. [C] */
function creatorOf({ creator }: Creation, { headers }: ApiCall): string | null {
  const header = headers["upload-creator"];
  return creator ?? (typeof header === "string" && header !== "" ? header : null);
}

/** Fetches the file of a URL. It has no maximum duration, so it reserves what an upload without one does. [U] */
function copy(stream: Stream, call: ApiCall): Answer {
  const { url, ...creation } = readCopy(readJsonBody(call), stream.rules());
  const admitted = admit(stream, "copy", { ...creation, creator: creatorOf(creation, call) }, { url });
  return "status" in admitted ? admitted : succeed(stream.describe(stream.make(admitted)));
}

/** Makes a video of a part of a ready one. What it takes over from it is a setting. [U] */
function clip(stream: Stream, call: ApiCall): Answer {
  const { clip, ...said } = readClip(readJsonBody(call), stream.rules());
  const parent = stream.videos.get(clip.of);
  if (!parent) return fail(404, 10003, "video not found");
  demand(parent.state === "ready", "the video is not ready"); // [C] "a fully-processed video"
  demand(clip.end <= parent.duration, "endTimeSeconds is after the end of the video"); // [U]
  const { creator, meta, requireSignedURLs, allowedOrigins, thumbnailTimestampPct } = parent;
  const kept = { creator, meta, requireSignedURLs, allowedOrigins, thumbnailTimestampPct };
  const length = Math.round((parent.size * (clip.end - clip.start)) / parent.duration);
  const creation = { ...said, length, ...(stream.settings.clipsKeepOptions && kept) };
  const admitted = admit(stream, "clip", creation, { clip });
  return "status" in admitted ? admitted : succeed(stream.describe(stream.make(admitted)));
}

/** Checks the queue and the account's storage when the URL is created. [C] */
function admit(
  stream: Stream,
  kind: Video["kind"],
  creation: Creation,
  content: Pick<Video, "url" | "clip"> = {},
): Video | Answer {
  const { settings, videos } = stream;
  if (stream.queued() >= settings.maxQueued) return refuseQueue(settings.maxQueued);
  if (!stream.fits(reservedSeconds(creation.maxDurationSeconds))) return refuseStorage();
  return videos.create(kind, creation, content);
}
