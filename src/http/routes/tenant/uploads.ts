import type { Context } from "hono";
import { Routes } from "../../routes.ts";
import * as v from "valibot";
import type { AuthenticatePorts } from "../../../core/auth/authenticate.ts";
import type { Result } from "../../../core/shared/result.ts";
import { type CancelUploadPorts, type CancelUploadRequest, cancelUpload } from "../../../core/uploads/cancel-upload.ts";
import type { EditUploadPorts } from "../../../core/uploads/edit-upload.ts";
import { findUpload, viewVideo } from "../../../core/uploads/find-upload.ts";
import { listUploads } from "../../../core/uploads/list-uploads.ts";
import type { UploadRecord } from "../../../core/uploads/rules/upload-record.ts";
import { UPLOAD_STATES } from "../../../core/uploads/rules/upload-state.ts";
import { uploadDocument } from "../../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../../app-env.ts";
import { editVideo } from "../../pipeline/edit-video.ts";
import { handle } from "../../pipeline/handle.ts";
import { creator, cursor, limit, oneOf, time } from "../../pipeline/query.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource, withoutHead } from "../../pipeline/resource.ts";
import { refuseEndpointMethod } from "./create-upload.ts";

export type UploadResourcePorts = AuthenticatePorts & CancelUploadPorts & EditUploadPorts;

const listQuery = v.object({
  state: v.exactOptional(oneOf(UPLOAD_STATES)),
  creator: v.exactOptional(creator),
  from: v.exactOptional(time("up")),
  to: v.exactOptional(time("up")),
  /** The id of the last upload on the previous page. */
  cursor: v.exactOptional(cursor(/^[0-9a-f-]{36}$/)),
  /** An upload is about 300 bytes of JSON, so a page stays well under 1 MB. */
  limit: limit({ fallback: 50, max: 1_000 }),
});

const viewQuery = v.object({ view: v.exactOptional(oneOf(["stream"])) });

/** `GET /v1/:tenant/uploads`, `GET`, `PATCH` and `DELETE /v1/:tenant/uploads/:id`: lists, reads, edits and cancels uploads. */
export function uploadResourceRoutes(ports: UploadResourcePorts): Routes {
  const routes = new Routes();

  const list = handle({ access: requireScope(ports, "uploads:read"), query: listQuery }, async (c, input) => {
    const page = await listUploads(ports, input.access, input.query);
    if (!page.ok) return page;
    const { uploads, cursor } = page.value;
    return c.json({ uploads: uploads.map(uploadDocument), ...(cursor !== undefined && { cursor }) }, 200, NO_STORE);
  });
  // To a tus client, a response to HEAD would look like that of an upload URL.
  routes.get("/", withoutHead(list));
  routes.all("/", refuseEndpointMethod);

  resource(
    routes,
    "/:id",
    {
      GET: handle(
        { access: requireScope(ports, "uploads:read", "one upload"), query: viewQuery },
        async (c, { access, query }) => {
          const upload = await findUpload(ports, access, c.req.param("id") ?? "");
          if (!upload.ok) return upload;
          const document = uploadDocument(upload.value);
          // A call to Stream would be wasted on HEAD.
          if (query.view === undefined || c.req.method === "HEAD") return c.json(document, 200, NO_STORE);
          const video = await c.get("log").measure("stream", viewVideo(ports, access.tenant.id, upload.value));
          return video.ok ? c.json({ ...document, video: video.value ?? null }, 200, NO_STORE) : video;
        },
      ),

      PATCH: editVideo(ports, "tenant"),

      DELETE: handle({}, async (c) => {
        const cancelled = await cancelUploadRequest(ports, c, (access) =>
          findUpload(ports, access, c.req.param("id") ?? ""),
        );
        return cancelled.ok ? c.json(uploadDocument(cancelled.value), 200, NO_STORE) : cancelled;
      }),
    },
    { preflight: true },
  );
  return routes;
}

/**
 * Cancels an upload, also if the client disconnects. The use case authenticates the caller, since it may have to do so
 * again: see `cancelUpload`.
 */
export function cancelUploadRequest(
  ports: UploadResourcePorts,
  c: Context<AppEnv>,
  find: CancelUploadRequest["find"],
): Promise<Result<UploadRecord>> {
  const request: CancelUploadRequest = {
    authenticate: (registry) => requireScope({ ...ports, registry }, "uploads:delete", "one upload")(c),
    find,
  };
  const cancellation = cancelUpload(ports, request, c.get("log"));
  c.executionCtx.waitUntil(cancellation);
  return cancellation;
}

/** Uploads change without a request of the client. */
const NO_STORE = { "Cache-Control": "no-store" };
