import { type Context, Hono } from "hono";
import { maxUploadBytes } from "../../../core/policy/rules/upload-checks.ts";
import { problem } from "../../../core/shared/problem.ts";
import { TENANT_ID } from "../../../core/shared/tenant.ts";
import { STREAM_MAX_UPLOAD_BYTES, TUS_EXTENSIONS, TUS_VERSION } from "../../../core/uploads/rules/tus-creation.ts";
import type { AppEnv } from "../../app-env.ts";
import { type CreateUploadPorts, createUpload } from "../../../core/uploads/create-upload.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";

/**
 * The tus endpoint of a tenant: `OPTIONS` to discover it, `POST` to create an upload. The bytes go to the `Location` that
 * the creation answers with, on Stream's own host, so `PATCH` and `HEAD` have no place here. `GET` lists what has been
 * created, in the words of the path that it stands on: see `kept-uploads.ts` and `cloudflare-stream.ts`.
 *
 * @see https://tus.io/protocols/resumable-upload
 */
export function uploadRoutes(ports: CreateUploadPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  /** Discovery and CORS preflight, for anyone: a tenant that does not exist answers like one without a policy. */
  routes.options("/", async (c) => {
    const id = c.req.param("tenant") ?? "";
    const tenant = TENANT_ID.test(id) ? await ports.registry.tenant(id) : undefined;
    const maxBytes = tenant?.ok && tenant.value ? maxUploadBytes(tenant.value.policy) : STREAM_MAX_UPLOAD_BYTES;
    return c.body(null, 200, {
      "Tus-Version": TUS_VERSION,
      "Tus-Extension": TUS_EXTENSIONS,
      "Tus-Max-Size": String(maxBytes),
    });
  });

  routes.post("/", async (c) => {
    const event = c.get("log");
    const { headers } = c.req.raw;
    const request = {
      tenant: c.req.param("tenant") ?? "",
      header: (name: string) => headers.get(name) ?? undefined,
      waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
    };
    const created = await createUpload(ports, request, event);
    if (!created.ok) return respondProblem(c, created.problem);
    return c.body(null, 201, {
      Location: created.value.location,
      ...createdHeaders(created.value),
      // Bytes that came along went nowhere; so the client begins with the first.
      ...(hasBody(c) && { "Upload-Offset": "0" }),
    });
  });

  return routes;
}

/** For `HEAD` and `PATCH` above all, which belong to the upload URL. Their body is not read. */
export function refuseEndpointMethod(c: Context<AppEnv>): Promise<Response> {
  return respondProblem(
    c,
    problem("method_not_allowed", "Create uploads here with POST; send their bytes to the Location.", {
      allow: ["GET", "OPTIONS", "POST"],
    }),
  );
}

/**
 * Creation-with-upload is not offered, but clients are free to try it (tus-js-client: `uploadDataDuringCreation`). A body
 * that comes with neither header, as HTTP/2 allows, is given one by workerd; of a `Content-Length: 0`, `body` is not null.
 */
function hasBody(c: Context<AppEnv>): boolean {
  return Number(c.req.header("content-length") ?? 0) > 0 || c.req.header("transfer-encoding") !== undefined;
}
