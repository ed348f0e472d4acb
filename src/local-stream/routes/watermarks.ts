import { type Answer, fail, succeed } from "../http.ts";
import type { Stream } from "../stream.ts";
import type { ApiCall, Route } from "./route.ts";

export const WATERMARKS: readonly Route[] = [
  { method: "GET", path: "/watermarks", answer: ({ settings }) => succeed(settings.watermarks.map(describe)) },
  { method: "GET", path: "/watermarks/:profile", answer: showProfile },
];

function showProfile({ settings }: Stream, { parameters }: ApiCall): Answer {
  const uid = parameters["profile"] ?? "";
  return settings.watermarks.includes(uid) ? succeed(describe(uid)) : fail(404, 10003, "watermark profile not found");
}

/** [C] */
function describe(uid: string) {
  return {
    uid,
    name: "Logo",
    created: "2026-01-01T00:00:00Z",
    size: 29_472,
    width: 600,
    height: 400,
    opacity: 0.75,
    padding: 0.1,
    position: "upperRight",
    scale: 0.1,
    downloadedFrom: `https://pictures.example/${uid}.png?signature=secret`,
  };
}
