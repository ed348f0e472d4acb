import type { Context, Handler } from "hono";
import type * as v from "valibot";
import { Routes } from "../../routes.ts";
import type { Config } from "../../../config.ts";
import { type Problem, problem } from "../../../core/shared/problem.ts";
import { err } from "../../../core/shared/result.ts";
import { OPERATIONS, type Operation } from "../../../core/stream/rules/operations.ts";
import { videoDocument } from "../../../core/stream/rules/video-document.ts";
import type { CreateUploadPorts, CreationBody } from "../../../core/uploads/create-upload.ts";
import { createVideo } from "../../../core/uploads/create-video.ts";
import { NO_SUCH_UPLOAD } from "../../../core/uploads/find-upload.ts";
import { checkIdempotencyKey } from "../../../core/uploads/idempotency-key.ts";
import { clipOfVideoSchema, clipSchema } from "../../../core/uploads/rules/clip.ts";
import { copySchema } from "../../../core/uploads/rules/copy.ts";
import { refuseOperation } from "../../../core/uploads/use-upload.ts";
import { uploadDocument } from "../../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../../app-env.ts";
import { respondResult } from "../../pipeline/envelope.ts";
import { handle } from "../../pipeline/handle.ts";
import { readJson } from "../../pipeline/json-body.ts";
import type { Door } from "../../pipeline/on-upload.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";

export type MakeVideoPorts = CreateUploadPorts & { readonly config: Pick<Config, "allowLoopback"> };

const OPTIONS = { preflight: true };

/** `POST /v1/:tenant/copies`: Stream fetches a file from a URL. */
export function copyRoutes(ports: MakeVideoPorts): Routes {
  const routes = new Routes();
  resource(routes, "/", { POST: copyHandler(ports, "tenant") }, OPTIONS);
  return routes;
}

/** `POST /v1/:tenant/uploads/:id/clips`: Stream makes a video of a part of a ready one. */
export function clipRoutes(ports: MakeVideoPorts): Routes {
  const routes = new Routes();
  const clip = makeVideo(ports, OPERATIONS.clipVideo, "tenant", clipSchema, (json, c) => ({
    kind: "clip",
    json,
    of: c.req.param("id") ?? "",
  }));
  resource(routes, "/:id/clips", { POST: clip }, OPTIONS);
  return routes;
}

export function copyHandler(ports: MakeVideoPorts, door: Door): Handler<AppEnv> {
  const schema = copySchema(ports.config.allowLoopback);
  return makeVideo(ports, OPERATIONS.copyVideo, door, schema, (json) => ({ kind: "copy", json }));
}

/** Of Cloudflare's API, where the body names the parent. */
export function clipOfVideoHandler(ports: MakeVideoPorts): Handler<AppEnv> {
  return makeVideo(
    ports,
    OPERATIONS.clipVideo,
    "cloudflare",
    clipOfVideoSchema,
    ({ clippedFromVideoUID: of, ...json }) => ({ kind: "clip", json, of }),
  );
}

/**
 * The handler of a copy or a clip, for one of the two APIs. What the credential can refuse is refused before the body is read, and
 * again by `createUpload`: a slow body must not outlast the credential.
 */
function makeVideo<S extends v.GenericSchema>(
  ports: MakeVideoPorts,
  operation: Operation,
  door: Door,
  schema: S,
  toBody: (json: v.InferOutput<S>, c: Context<AppEnv>) => CreationBody,
): Handler<AppEnv> {
  return handle({}, async (c) => {
    const access = await requireScope(ports, operation.scope)(c);
    if (!access.ok) return access;
    const refused = refuseOperation(access.value, operation) ?? checkHeaders(c);
    if (refused) return err(refused);
    const json = await readJson(c.req.raw, schema, door === "cloudflare" ? "any" : "json");
    if (!json.ok) return json;
    const request = {
      tenant: c.req.param("tenant") ?? "",
      header: (name: string) => c.req.header(name),
      body: toBody(json.value, c),
      waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
    };
    const made = await createVideo(ports, request, c.get("log"));
    if (!made.ok) return made;
    const { created, upload } = made.value;
    const headers = createdHeaders(created);
    if (door === "tenant") return c.json(uploadDocument(upload), 201, headers);
    const video = videoDocument(upload);
    return video ? respondResult(c, video, headers) : err(NO_SUCH_UPLOAD);
  });
}

/** Older SDKs can send options in a header, which would be dropped: a video could be public that was meant to be signed. */
function checkHeaders(c: Context<AppEnv>): Problem | undefined {
  if (c.req.header("upload-metadata"))
    return problem("bad_request", "The options of a copy or a clip go into the body, not into Upload-Metadata.");
  return checkIdempotencyKey(c.req.header("idempotency-key"));
}
