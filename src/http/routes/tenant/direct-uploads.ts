import { type Context, Hono } from "hono";
import { directUploadSchema } from "../../../core/uploads/rules/direct-upload.ts";
import type { Result } from "../../../core/shared/result.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import type { AppEnv } from "../../app-env.ts";
import { type CreateUploadPorts, type CreatedUpload, createUpload } from "../../../core/uploads/create-upload.ts";
import { handle } from "../../pipeline/handle.ts";
import { resource } from "../../pipeline/resource.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";
import { readJson } from "../../pipeline/json-body.ts";

/**
 * `POST /v1/:tenant/direct-uploads`: Stream's basic upload link, for one form with the whole file in its field `file`. It is
 * a creation like any other: same policy, limits, idempotency and ledger.
 */
export function directUploadRoutes(ports: CreateUploadPorts): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  const create = handle({}, async (c) => {
    const created = await createDirectUpload(ports, c);
    if (!created.ok) return created;
    const { id, uid, location, expiresAt } = created.value;
    const body = { id, uid, uploadURL: location, expiresAt: rfc3339(expiresAt) };
    return c.json(body, 201, createdHeaders(created.value));
  });

  resource(routes, "/", { POST: create }, { preflight: true });
  return routes;
}

/** Reads the body and makes the link, to its end even if the client hangs up. */
export async function createDirectUpload(ports: CreateUploadPorts, c: Context<AppEnv>): Promise<Result<CreatedUpload>> {
  const direct = await readJson(c.req.raw, directUploadSchema);
  if (!direct.ok) return direct;
  const request = {
    tenant: c.req.param("tenant") ?? "",
    header: (name: string) => c.req.header(name),
    waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
    direct: direct.value,
  };
  return createUpload(ports, request, c.get("log"));
}
