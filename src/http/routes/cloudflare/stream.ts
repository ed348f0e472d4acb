import type { Context, Handler } from "hono";
import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { SignPlaybackPorts } from "../../../core/playback/sign-playback.ts";
import { problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { listWatermarks, readWatermark } from "../../../core/stream/relay-call.ts";
import { OPERATIONS, type OperationName, matchOperation } from "../../../core/stream/rules/operations.ts";
import { NO_SUCH_UPLOAD, findVideo, viewVideo } from "../../../core/uploads/find-upload.ts";
import { listVideos } from "../../../core/uploads/list-videos.ts";
import { storageUsage } from "../../../core/uploads/storage-usage.ts";
import type { AppEnv } from "../../app-env.ts";
import { editVideo } from "../../pipeline/edit-video.ts";
import { respondResult } from "../../pipeline/envelope.ts";
import { handle } from "../../pipeline/handle.ts";
import { parameterOf } from "../../pipeline/on-upload.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { creator, noParameters } from "../../pipeline/query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { respondMethodNotAllowed, withoutHead } from "../../pipeline/resource.ts";
import { signPlaybackToken } from "../../pipeline/sign-playback.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { refuseEndpointMethod } from "../tenant/create-upload.ts";
import { type RelayPorts, relayHandlers } from "../tenant/captions-and-downloads.ts";
import { type MakeVideoPorts, clipOfVideoHandler, copyHandler } from "../tenant/copies-and-clips.ts";
import { createDirectUpload as createDirect } from "../tenant/direct-uploads.ts";
import { type UploadResourcePorts, cancelUploadRequest } from "../tenant/uploads.ts";
import { videosQuery } from "./videos-query.ts";

const usageQuery = v.object({ creator: v.exactOptional(creator) });

/**
 * Cloudflare's own paths, `/client/v4/accounts/:tenant/stream…`, with a tenant in the place of the account: the official SDK
 * works with another base URL and a key of the gateway, and sees the videos of this tenant only. The table `OPERATIONS` says what
 * is offered. Creation by tus is the same as on the tenant's own endpoint, see `create-upload.ts`. `HEAD` is not offered: it would
 * cost a call to Stream.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/
 */
export function cloudflareStreamRoutes(
  ports: MakeVideoPorts & UploadResourcePorts & RelayPorts & SignPlaybackPorts,
): Routes {
  const routes = new Routes();

  const list = handle(
    { access: requireScope(ports, "uploads:read"), query: videosQuery },
    async (c, { access, query }) => {
      const listed = await listVideos(ports, access, query);
      if (!listed.ok) return listed;
      const { videos, total } = listed.value;
      return respondResult(c, videos, {}, total === undefined ? {} : { total, range: videos.length });
    },
  );
  routes.get("/", withoutHead(list));
  routes.all("/", refuseEndpointMethod);

  const createDirectUpload = handle({}, async (c) => {
    const created = await createDirect(ports, c, "any");
    if (!created.ok) return created;
    const { uid, location } = created.value;
    return respondResult(c, { uid, uploadURL: location }, createdHeaders(created.value));
  });
  const readStorageUsage = handle(
    { access: requireScope(ports, "usage:read"), query: usageQuery },
    async (c, { access, query }) => {
      const usage = await storageUsage(ports, access, query.creator);
      return usage.ok ? respondResult(c, usage.value) : usage;
    },
  );

  const readVideo = handle({ access: requireScope(ports, "uploads:read", "one upload") }, async (c, { access }) => {
    const upload = await findVideo(ports, access, parameterOf(c, "uid"));
    if (!upload.ok) return upload;
    const video = await c.get("log").measure("stream", viewVideo(ports, access.tenant.id, upload.value));
    if (!video.ok) return video;
    return video.value ? respondResult(c, video.value) : err(NO_SUCH_UPLOAD);
  });
  const deleteVideo = handle({}, async (c) => {
    const cancelled = await cancelUploadRequest(ports, c, (access) => findVideo(ports, access, parameterOf(c, "uid")));
    // Like Cloudflare: 200 without a body.
    return cancelled.ok ? c.body(null, 200) : cancelled;
  });

  const access = requireScope(ports, "policy:read");
  const watermarks = handle({ access, query: noParameters }, async (c, { access }) => {
    const profiles = await listWatermarks(ports, access);
    return profiles.ok ? respondResult(c, profiles.value) : profiles;
  });
  const watermark = handle({ access, query: noParameters }, async (c, { access }) => {
    const profile = await readWatermark(ports, access, parameterOf(c, "profile"));
    return profile.ok ? respondResult(c, profile.value) : profile;
  });

  const handlers: Readonly<Record<OperationName, Handler<AppEnv>>> = {
    createDirectUpload,
    copyVideo: copyHandler(ports, "cloudflare"),
    clipVideo: clipOfVideoHandler(ports),
    readStorageUsage,
    readVideo,
    editVideo: editVideo(ports, "cloudflare"),
    deleteVideo,
    signToken: signPlaybackToken(ports, "cloudflare"),
    ...relayHandlers(ports, "cloudflare"),
    listWatermarks: watermarks,
    readWatermark: watermark,
  };
  routes.all("/*", (c, next) => {
    const matched = matchOperation(c.req.method, pathBelowStream(c));
    switch (matched.kind) {
      case "operation":
        c.set("parameters", matched.parameters);
        return handlers[matched.name](c, next);
      case "other method":
        return respondMethodNotAllowed(c, [...matched.allow, "OPTIONS"]);
      case "not offered":
        return respondProblem(c, NOT_OFFERED);
      default:
        return matched satisfies never;
    }
  });
  return routes;
}

/** The router allows no parameter beside fixed names at the same place: `matchOperation` tells them apart. */
function pathBelowStream(c: Context<AppEnv>): string {
  return c.req.path.replace(/^\/client\/v4\/accounts\/[^/]+\/stream/, "").replace(/\/$/, "");
}

const NOT_OFFERED = problem("not_offered", "Sluice does not offer this part of Cloudflare's API.", {
  offered: [
    // By tus, and the list: they are no `OPERATIONS`.
    "POST /stream",
    "GET /stream",
    ...Object.values(OPERATIONS).map(({ method, path }) => `${method} /stream${path}`),
  ],
});
