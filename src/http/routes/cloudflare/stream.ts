import { type Context, Hono } from "hono";
import type { AppEnv } from "../../app-env.ts";
import type { CreateUploadPorts } from "../../../core/uploads/create-upload.ts";
import { NO_SUCH_UPLOAD, findVideo, viewVideo } from "../../../core/uploads/find-upload.ts";
import { listVideos } from "../../../core/uploads/list-videos.ts";
import { storageUsage } from "../../../core/uploads/storage-usage.ts";
import { parseCreator, readQuery } from "../../pipeline/query.ts";
import { parseVideoQuery } from "./videos-query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { createDirectUpload } from "../tenant/direct-uploads.ts";
import { type UploadResourcePorts, cancelUploadRequest } from "../tenant/uploads.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { refuseEndpointMethod } from "../tenant/create-upload.ts";

/**
 * Cloudflare's own paths, `/client/v4/accounts/:tenant/stream…`, for a tenant in the place of an account: its official SDK
 * works with another base URL and a key of the gateway's, and sees this tenant only. Creation by tus is the same as on the
 * tenant's own endpoint: `uploads.ts`.
 *
 * @see https://developers.cloudflare.com/api/resources/stream/
 */
export function cloudflareStreamRoutes(ports: CreateUploadPorts & UploadResourcePorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c, next) => {
    if (c.req.method === "HEAD") return next();
    const access = await requireScope(ports, c, "uploads:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const query = parseVideoQuery(new URL(c.req.url).searchParams);
    if (!query.ok) return respondProblem(c, query.problem);
    const listed = await listVideos(ports, access.value, query.value);
    if (!listed.ok) return respondProblem(c, listed.problem);
    const { videos, total } = listed.value;
    return succeed(c, videos, {}, total === undefined ? {} : { total, range: videos.length });
  });

  routes.all("/", refuseEndpointMethod);

  routes.post("/direct_upload", async (c) => {
    const created = await createDirectUpload(ports, c);
    if (!created.ok) return respondProblem(c, created.problem);
    const { uid, location } = created.value;
    return succeed(c, { uid, uploadURL: location }, createdHeaders(created.value));
  });
  routes.all("/direct_upload", allowOnly("OPTIONS", "POST"));

  routes.get("/storage-usage", async (c, next) => {
    if (c.req.method === "HEAD") return next();
    const access = await requireScope(ports, c, "usage:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const query = readQuery(new URL(c.req.url).searchParams, ["creator"]);
    if (!query.ok) return respondProblem(c, query.problem);
    const creator = parseCreator(query.value.get("creator"));
    if (!creator.ok) return respondProblem(c, creator.problem);
    const usage = await storageUsage(ports, access.value, creator.value);
    return usage.ok ? succeed(c, usage.value) : respondProblem(c, usage.problem);
  });
  routes.all("/storage-usage", allowOnly("GET", "OPTIONS"));

  routes.get("/*", async (c, next) => {
    const uid = uidIn(c.req.path);
    // HEAD would cost a call to Stream and say nothing.
    if (uid === undefined || c.req.method === "HEAD") return next();
    const access = await requireScope(ports, c, "uploads:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const found = await findVideo(ports, access.value, uid);
    if (!found.ok) return respondProblem(c, found.problem);
    const video = await c.get("event").measure("stream", viewVideo(ports, access.value.tenant.id, found.value));
    if (!video.ok) return respondProblem(c, video.problem);
    return video.value ? succeed(c, video.value) : respondProblem(c, NO_SUCH_UPLOAD);
  });

  routes.delete("/*", async (c, next) => {
    const uid = uidIn(c.req.path);
    if (uid === undefined) return next();
    const cancelled = await cancelUploadRequest(ports, c, (access) => findVideo(ports, access, uid));
    // As Cloudflare does: a 200 without a body.
    return cancelled.ok ? c.body(null, 200) : respondProblem(c, cancelled.problem);
  });
  const refuseVideoMethod = allowOnly("DELETE", "GET", "OPTIONS");
  routes.all("/*", (c, next) => (uidIn(c.req.path) === undefined ? next() : refuseVideoMethod(c, next)));

  return routes;
}

/** `…/stream/:uid`, which cannot be said so: the router takes no parameter beside the names that stand there too. */
function uidIn(path: string): string | undefined {
  return /^\/client\/v4\/accounts\/[^/]+\/stream\/([^/]+)\/?$/.exec(path)?.[1];
}

/** Cloudflare's envelope; `more` stands beside the result. */
function succeed(c: Context<AppEnv>, result: unknown, headers: Record<string, string> = {}, more = {}): Response {
  const body = { result, success: true, errors: [], messages: [], ...more };
  return c.json(body, 200, { "Cache-Control": "no-store", ...headers });
}
