import type { Context } from "hono";
import { Routes } from "../../routes.ts";
import { type Problem, problem } from "../../../core/shared/problem.ts";
import { type Result, err } from "../../../core/shared/result.ts";
import { rfc3339 } from "../../../core/shared/time.ts";
import { type CreateUploadPorts, type CreatedUpload, createUpload } from "../../../core/uploads/create-upload.ts";
import { checkIdempotencyKey } from "../../../core/uploads/idempotency-key.ts";
import { directUploadSchema } from "../../../core/uploads/rules/direct-upload.ts";
import type { AppEnv } from "../../app-env.ts";
import { handle } from "../../pipeline/handle.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";

/**
 * `POST /v1/:tenant/direct-uploads`: creates a basic upload link of Stream, for one form with the whole file in its field
 * `file`. Policy, limits, idempotency and ledger are those of a tus creation.
 */
export function directUploadRoutes(ports: CreateUploadPorts): Routes {
  const routes = new Routes();
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

/**
 * Creates a basic upload link. Without `Authorization` and `X-API-Key`, the body is read before the caller is authenticated, since it may
 * hold the credential: a grant in `meta.grant`. With it, the caller is authenticated before the body is read, and again by
 * `createUpload`: a slow body must not outlast the credential.
 *
 * @param contentType see `readJson`
 */
export async function createDirectUpload(
  ports: CreateUploadPorts,
  c: Context<AppEnv>,
  contentType: "json" | "any" = "json",
): Promise<Result<CreatedUpload>> {
  if (c.req.header("authorization") !== undefined || c.req.header("x-api-key") !== undefined) {
    const access = await requireScope(ports, "uploads:create")(c);
    if (!access.ok) return access;
  }
  const refused = checkHeaders(c);
  if (refused) return err(refused);
  const direct = await readJson(c.req.raw, directUploadSchema, contentType);
  if (!direct.ok) return direct;
  const request = {
    tenant: c.req.param("tenant") ?? "",
    header: (name: string) => c.req.header(name),
    body: { kind: "direct", json: direct.value } as const,
    waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
  };
  return createUpload(ports, request, c.get("log"));
}

/** What the headers say before the body is read. Some requests belong to the upload URL or to the tus endpoint. */
function checkHeaders(c: Context<AppEnv>): Problem | undefined {
  if (c.req.header("tus-resumable") !== undefined)
    return problem(
      "bad_request",
      "Tus creations go to uploads (on Cloudflare's path: stream): this is for basic links.",
    );
  if (/^multipart\/form-data/i.test(c.req.header("content-type") ?? ""))
    return problem("body_invalid", "First create the link here with a JSON body, then send the form to its uploadURL.");
  return checkIdempotencyKey(c.req.header("idempotency-key"));
}
