import type { Context } from "hono";
import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { CreateUploadPorts } from "../../../core/uploads/create-upload.ts";
import { err } from "../../../core/shared/result.ts";
import { NO_SUCH_UPLOAD, findVideo, viewVideo } from "../../../core/uploads/find-upload.ts";
import { listVideos } from "../../../core/uploads/list-videos.ts";
import { storageUsage } from "../../../core/uploads/storage-usage.ts";
import type { AppEnv } from "../../app-env.ts";
import { handle } from "../../pipeline/handle.ts";
import { creator } from "../../pipeline/query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource, withoutHead } from "../../pipeline/resource.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { refuseEndpointMethod } from "../tenant/create-upload.ts";
import { createDirectUpload } from "../tenant/direct-uploads.ts";
import { type UploadResourcePorts, cancelUploadRequest } from "../tenant/uploads.ts";
import { videosQuery } from "./videos-query.ts";

const usageQuery = v.object({ creator: v.exactOptional(creator) });

/** For the paths below: browsers use them, and `HEAD` is not offered, since it would cost a call to Stream. */
const OPTIONS = { head: false, preflight: true };

/**
 * Cloudflare's own paths, `/client/v4/accounts/:tenant/stream…`, with a tenant in the place of the account: the official SDK
 * works with another base URL and a key of the gateway, and sees the videos of this tenant only. Creation by tus is the same
 * as on the tenant's own endpoint, see `create-upload.ts`.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/
 */
export function cloudflareStreamRoutes(ports: CreateUploadPorts & UploadResourcePorts): Routes {
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

  const createDirect = handle({}, async (c) => {
    const created = await createDirectUpload(ports, c, "any");
    if (!created.ok) return created;
    const { uid, location } = created.value;
    return respondResult(c, { uid, uploadURL: location }, createdHeaders(created.value));
  });
  resource(routes, "/direct_upload", { POST: createDirect }, OPTIONS);

  const readUsage = handle(
    { access: requireScope(ports, "usage:read"), query: usageQuery },
    async (c, { access, query }) => {
      const usage = await storageUsage(ports, access, query.creator);
      return usage.ok ? respondResult(c, usage.value) : usage;
    },
  );
  resource(routes, "/storage-usage", { GET: readUsage }, OPTIONS);

  const readVideo = handle({ access: requireScope(ports, "uploads:read", "one upload") }, async (c, { access }) => {
    const upload = await findVideo(ports, access, uidIn(c));
    if (!upload.ok) return upload;
    const video = await c.get("log").measure("stream", viewVideo(ports, access.tenant.id, upload.value));
    if (!video.ok) return video;
    return video.value ? respondResult(c, video.value) : err(NO_SUCH_UPLOAD);
  });
  const deleteVideo = handle({}, async (c) => {
    const cancelled = await cancelUploadRequest(ports, c, (access) => findVideo(ports, access, uidIn(c)));
    // Like Cloudflare: 200 without a body.
    return cancelled.ok ? c.body(null, 200) : cancelled;
  });
  // Nothing below a video is offered.
  routes.use("/*", async (c, next) => (uidIn(c) === "" ? c.notFound() : next()));
  resource(routes, "/*", { GET: readVideo, DELETE: deleteVideo }, OPTIONS);
  return routes;
}

/**
 * The `:uid` of `…/stream/:uid`, or "". The route cannot be written like this: the router allows no parameter beside the fixed
 * names at the same place.
 */
function uidIn(c: Context<AppEnv>): string {
  return /^\/client\/v4\/accounts\/[^/]+\/stream\/([^/]+)\/?$/.exec(c.req.path)?.[1] ?? "";
}

/** Cloudflare's envelope; `more` holds members beside the result. */
function respondResult(c: Context<AppEnv>, result: unknown, headers: Record<string, string> = {}, more = {}): Response {
  const body = { result, success: true, errors: [], messages: [], ...more };
  return c.json(body, 200, { "Cache-Control": "no-store", ...headers });
}
