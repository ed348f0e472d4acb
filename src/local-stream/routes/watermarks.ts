import { describeWatermark } from "../description.ts";
import { type Answer, fail, succeed } from "../http.ts";
import type { Stream } from "../stream.ts";
import type { ApiCall, Route } from "./route.ts";

export const WATERMARKS: readonly Route[] = [
  { method: "GET", path: "/watermarks", answer: ({ settings }) => succeed(settings.watermarks.map(describeWatermark)) },
  { method: "GET", path: "/watermarks/:profile", answer: showProfile },
];

function showProfile({ settings }: Stream, { parameters }: ApiCall): Answer {
  const uid = parameters["profile"] ?? "";
  return settings.watermarks.includes(uid)
    ? succeed(describeWatermark(uid))
    : fail(404, 10003, "watermark profile not found");
}
