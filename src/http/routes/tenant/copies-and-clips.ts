import type { Context } from "hono";
import type * as v from "valibot";
import { Routes } from "../../routes.ts";
import type { Config } from "../../../config.ts";
import { type Problem, problem } from "../../../core/shared/problem.ts";
import { type Result, err } from "../../../core/shared/result.ts";
import type { CreateUploadPorts, CreatedVideo, CreationBody } from "../../../core/uploads/create-upload.ts";
import { createVideo } from "../../../core/uploads/create-video.ts";
import { checkIdempotencyKey } from "../../../core/uploads/idempotency-key.ts";
import { clipOfVideoSchema, clipSchema } from "../../../core/uploads/rules/clip.ts";
import { copySchema } from "../../../core/uploads/rules/copy.ts";
import type { UploadRecord } from "../../../core/uploads/rules/upload-record.ts";
import { uploadDocument } from "../../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../../app-env.ts";
import { handle } from "../../pipeline/handle.ts";
import { readJson } from "../../pipeline/json-body.ts";
import { requireScope } from "../../pipeline/require-scope.ts";
import { resource } from "../../pipeline/resource.ts";
import { createdHeaders } from "../../pipeline/upload-headers.ts";

export type MakeVideoPorts = CreateUploadPorts & { readonly config: Pick<Config, "allowLoopback"> };

/** Answers with a copy or a clip that was made, in the form of one of the two APIs. */
type Respond = (
  c: Context<AppEnv>,
  made: { readonly created: CreatedVideo; readonly upload: UploadRecord },
) => Response;

const respondUpload: Respond = (c, { created, upload }) => c.json(uploadDocument(upload), 201, createdHeaders(created));

const OPTIONS = { preflight: true };

/** `POST /v1/:tenant/copies`: Stream fetches a file from a URL. */
export function copyRoutes(ports: MakeVideoPorts): Routes {
  const routes = new Routes();
  resource(routes, "/", { POST: copyHandler(ports, "json", respondUpload) }, OPTIONS);
  return routes;
}

/** `POST /v1/:tenant/uploads/:id/clips`: Stream makes a video of a part of a ready one. */
export function clipRoutes(ports: MakeVideoPorts): Routes {
  const routes = new Routes();
  const clip = handle({}, async (c) => {
    const of = c.req.param("id") ?? "";
    const made = await make(ports, c, clipSchema, "json", (json) => ({ kind: "clip", json, of }));
    return made.ok ? respondUpload(c, made.value) : made;
  });
  resource(routes, "/:id/clips", { POST: clip }, OPTIONS);
  return routes;
}

/** @param contentType see `readJson` */
export function copyHandler(ports: MakeVideoPorts, contentType: "json" | "any", respond: Respond) {
  const schema = copySchema(ports.config.allowLoopback);
  return handle({}, async (c) => {
    const made = await make(ports, c, schema, contentType, (json) => ({ kind: "copy", json }));
    return made.ok ? respond(c, made.value) : made;
  });
}

/** Of Cloudflare's API, whose body names the parent. */
export function clipOfVideoHandler(ports: MakeVideoPorts, respond: Respond) {
  return handle({}, async (c) => {
    const made = await make(ports, c, clipOfVideoSchema, "any", ({ clippedFromVideoUID: of, ...json }) => ({
      kind: "clip",
      json,
      of,
    }));
    return made.ok ? respond(c, made.value) : made;
  });
}

/** The caller is authenticated before the body is read, and again by `createUpload`: a slow body must not outlast the credential. */
async function make<S extends v.GenericSchema>(
  ports: MakeVideoPorts,
  c: Context<AppEnv>,
  schema: S,
  contentType: "json" | "any",
  toBody: (json: v.InferOutput<S>) => CreationBody,
): Promise<Result<Parameters<Respond>[1]>> {
  const access = await requireScope(ports, "uploads:copy")(c);
  if (!access.ok) return access;
  const refused = checkHeaders(c);
  if (refused) return err(refused);
  const json = await readJson(c.req.raw, schema, contentType);
  if (!json.ok) return json;
  const request = {
    tenant: c.req.param("tenant") ?? "",
    header: (name: string) => c.req.header(name),
    body: toBody(json.value),
    waitUntil: (work: Promise<unknown>) => c.executionCtx.waitUntil(work),
  };
  return createVideo(ports, request, c.get("log"));
}

/** Older SDKs can send options in a header, which would be dropped: a video could be public that was meant to be signed. */
function checkHeaders(c: Context<AppEnv>): Problem | undefined {
  if (c.req.header("upload-metadata"))
    return problem("bad_request", "The options of a copy or a clip go into the body, not into Upload-Metadata.");
  return checkIdempotencyKey(c.req.header("idempotency-key"));
}
