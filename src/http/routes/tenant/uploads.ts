import { type Context, Hono } from "hono";
import { badParameter, readQuery } from "../../pipeline/query.ts";
import { uploadDocument } from "../../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../../app-env.ts";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import { type CancelUploadPorts, type CancelUploadRequest, cancelUpload } from "../../../core/uploads/cancel-upload.ts";
import { findUpload, viewVideo } from "../../../core/uploads/find-upload.ts";
import { listUploads } from "../../../core/uploads/list-uploads.ts";
import { parseUploadQuery } from "./uploads-query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { allowOnly } from "../../pipeline/method-not-allowed.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { refuseEndpointMethod } from "./create-upload.ts";

export type UploadResourcePorts = AuthenticatePorts & CancelUploadPorts;

/** `GET /v1/:tenant/uploads`, and `GET` and `DELETE …/:id`: what has been created, and away with it. */
export function uploadResourceRoutes(ports: UploadResourcePorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c, next) => {
    // Hono answers HEAD as it does GET; to a tus client it would be the answer of an upload URL.
    if (c.req.method === "HEAD") return next();
    const access = await requireScope(ports, c, "uploads:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const query = parseUploadQuery(new URL(c.req.url).searchParams);
    if (!query.ok) return respondProblem(c, query.problem);
    const page = await listUploads(ports, access.value, query.value);
    if (!page.ok) return respondProblem(c, page.problem);
    const { uploads, cursor } = page.value;
    return c.json({ uploads: uploads.map(uploadDocument), ...(cursor !== undefined && { cursor }) }, 200, NO_STORE);
  });

  routes.all("/", refuseEndpointMethod);

  routes.get("/:id", async (c) => {
    const access = await requireScope(ports, c, "uploads:read");
    if (!access.ok) return respondProblem(c, access.problem);
    const query = readQuery(new URL(c.req.url).searchParams, ["view"]);
    if (!query.ok) return respondProblem(c, query.problem);
    const view = query.value.get("view");
    if (view !== undefined && view !== "stream") return respondProblem(c, badParameter("view", `must be "stream"`));

    const found = await findUpload(ports, access.value, c.req.param("id"));
    if (!found.ok) return respondProblem(c, found.problem);
    // HEAD would cost a call to Stream and say nothing.
    if (view === undefined || c.req.method === "HEAD") return c.json(uploadDocument(found.value), 200, NO_STORE);
    const video = await c.get("event").measure("stream", viewVideo(ports, access.value.tenant.id, found.value));
    if (!video.ok) return respondProblem(c, video.problem);
    return c.json({ ...uploadDocument(found.value), video: video.value ?? null }, 200, NO_STORE);
  });

  routes.delete("/:id", async (c) => {
    const cancelled = await cancelUploadRequest(ports, c, (access) => findUpload(ports, access, c.req.param("id")));
    return cancelled.ok ? c.json(uploadDocument(cancelled.value), 200, NO_STORE) : respondProblem(c, cancelled.problem);
  });

  routes.all("/:id", allowOnly("DELETE", "GET", "HEAD", "OPTIONS"));
  return routes;
}

/** Cancels what is found for the caller; the runtime sees it through where the client hangs up. */
export function cancelUploadRequest(
  ports: UploadResourcePorts,
  c: Context<AppEnv>,
  find: CancelUploadRequest["find"],
): ReturnType<typeof cancelUpload> {
  const request: CancelUploadRequest = {
    authenticate: (registry) => requireScope({ ...ports, registry }, c, "uploads:delete"),
    find,
  };
  const cancellation = cancelUpload(ports, request, c.get("event"));
  c.executionCtx.waitUntil(cancellation);
  return cancellation;
}

/** What changes by itself is asked for anew. */
const NO_STORE = { "Cache-Control": "no-store" };
