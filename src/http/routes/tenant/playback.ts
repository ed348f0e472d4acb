import type { SignPlaybackPorts } from "../../../core/playback/sign-playback.ts";
import type { OnUploadPorts } from "../../pipeline/on-upload.ts";
import { resource } from "../../pipeline/resource.ts";
import { signPlaybackToken } from "../../pipeline/sign-playback.ts";
import { Routes } from "../../routes.ts";

/** `POST /v1/:tenant/uploads/:id/playback`: a token that plays the upload's video, and where. */
export function playbackRoutes(ports: OnUploadPorts & SignPlaybackPorts): Routes {
  const routes = new Routes();
  resource(routes, "/:id/playback", { POST: signPlaybackToken(ports, "tenant") }, { preflight: true });
  return routes;
}
