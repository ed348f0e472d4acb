import { reservedSeconds } from "../accounting.ts";
import { type Answer, succeed } from "../http.ts";
import { refuseQueue, refuseStorage } from "../refusals.ts";
import { type Creation, readDirectUpload, readTusCreation } from "../rules.ts";
import type { Stream } from "../stream.ts";
import { demand } from "../values.ts";
import type { Video } from "../videos.ts";
import { type ApiCall, type Route, readJsonBody } from "./route.ts";

export const CREATIONS: readonly Route[] = [
  { method: "POST", path: "/", answer: create },
  { method: "POST", path: "/direct_upload", answer: createBasic },
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
  const header = call.headers["upload-creator"]; // [C] the SDK can send it here as well
  const creator = creation.creator ?? (typeof header === "string" && header !== "" ? header : null);
  const admitted = admit(stream, "basic", { ...creation, creator });
  if ("status" in admitted) return admitted;
  const { watermark, scheduledDeletion } = stream.describe(admitted);
  return succeed({ uid: admitted.uid, uploadURL: stream.urlOf(admitted), watermark, scheduledDeletion });
}

/** Checks the queue and the account's storage when the URL is created. [C] */
function admit(stream: Stream, kind: Video["kind"], creation: Creation): Video | Answer {
  const { settings, videos } = stream;
  if (stream.queued() >= settings.maxQueued) return refuseQueue(settings.maxQueued);
  if (!stream.fits(reservedSeconds(creation.maxDurationSeconds))) return refuseStorage();
  return videos.create(kind, creation);
}
