import type { Context } from "hono";
import { Routes } from "../../routes.ts";
import { mostBytes } from "../../../core/policy/rules/upload-checks.ts";
import { problem } from "../../../core/shared/problem.ts";
import { DEFAULT_UPSTREAM, TENANT_ID } from "../../../core/shared/tenant.ts";
import { USUAL_MAXIMA } from "../../../core/stream/rules/defaults.ts";
import { TUS_EXTENSIONS, TUS_VERSION } from "../../../core/uploads/rules/tus-creation.ts";
import type { AppEnv } from "../../app-env.ts";
import { type CreateUploadPorts, createUpload } from "../../../core/uploads/create-upload.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { respondProblem } from "../../pipeline/problem-response.ts";
import { hasBody } from "../../pipeline/unread-body.ts";

/**
 * The tus endpoint of a tenant: `OPTIONS` for discovery, `POST` to create an upload. The client sends the bytes to the
 * `Location` of the creation, which is on Stream's host, so `PATCH` and `HEAD` are not offered here. `GET` lists uploads, in the
 * format of each path: see `uploads.ts` and `cloudflare/stream.ts`.
 *
 * @see https://tus.io/protocols/resumable-upload
 */
export function tusEndpointRoutes(ports: CreateUploadPorts): Routes {
  const routes = new Routes();

  /** Discovery and CORS preflight, without a credential. An unknown tenant responds like one without a policy. */
  routes.options("/", async (c) => {
    const id = c.req.param("tenant") ?? "";
    const found = TENANT_ID.test(id) ? await ports.registry.tenant(id) : undefined;
    const tenant = found?.ok ? found.value : undefined;
    const upstream = await ports.registry.upstream(tenant?.upstream ?? DEFAULT_UPSTREAM, "trusted");
    const account = upstream.ok && upstream.value ? upstream.value : USUAL_MAXIMA;
    const maxBytes = mostBytes(tenant?.policy ?? [], account, tenant?.limits ?? {});
    return c.body(null, 200, {
      "Tus-Version": TUS_VERSION,
      "Tus-Extension": TUS_EXTENSIONS,
      "Tus-Max-Size": String(maxBytes),
    });
  });

  routes.post("/", async (c) => {
    const { headers } = c.req.raw;
    const request = {
      tenant: c.req.param("tenant") ?? "",
      header: (name: string) => headers.get(name) ?? undefined,
      waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
    };
    const created = await createUpload(ports, request, c.get("log"));
    if (!created.ok) return respondProblem(c, created.problem);
    return c.body(null, 201, {
      Location: created.value.location,
      ...createdHeaders(created.value),
      // Creation-with-upload is not offered, but clients may try it (tus-js-client: `uploadDataDuringCreation`). Their bytes are
      // dropped, see `endAfterRequestBody`, so they start with the first one.
      ...(hasBody(headers) && { "Upload-Offset": "0" }),
    });
  });

  return routes;
}

/** Answers the other methods, above all `HEAD` and `PATCH`, which belong to the upload URL. */
export function refuseEndpointMethod(c: Context<AppEnv>): Promise<Response> {
  return respondProblem(
    c,
    problem("method_not_allowed", "Create uploads here with POST; send their bytes to the Location.", {
      allow: ["GET", "OPTIONS", "POST"],
    }),
  );
}
