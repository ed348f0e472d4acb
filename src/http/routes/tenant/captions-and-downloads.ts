import type { Context, Handler } from "hono";
import { Routes } from "../../routes.ts";
import { problem } from "../../../core/shared/problem.ts";
import { type Result, err, ok } from "../../../core/shared/result.ts";
import { quoteRequested } from "../../../core/shared/text.ts";
import type { CallStreamPorts } from "../../../core/stream/call-stream.ts";
import { type RelayedOperation, relayCall } from "../../../core/stream/relay-call.ts";
import { OPERATIONS } from "../../../core/stream/rules/operations.ts";
import type { AppEnv } from "../../app-env.ts";
import { readCaptionFile } from "../../pipeline/caption-file.ts";
import { respondResult } from "../../pipeline/envelope.ts";
import { handle } from "../../pipeline/handle.ts";
import { type Door, type OnUploadPorts, onUpload, parameterOf, requireOperation } from "../../pipeline/on-upload.ts";
import { noParameters } from "../../pipeline/query.ts";
import { resource } from "../../pipeline/resource.ts";

export type RelayPorts = OnUploadPorts & CallStreamPorts;

/** Captions and downloads of an upload's video: `/v1/:tenant/uploads/:id/captions…` and `…/downloads`. */
export function captionAndDownloadRoutes(ports: RelayPorts): Routes {
  const routes = new Routes();
  const { listCaptions, ...handlers } = relayHandlers(ports, "tenant");
  const options = { head: false, preflight: true };
  resource(routes, "/:id/captions", { GET: listCaptions }, options);
  const caption = { GET: handlers.readCaption, PUT: handlers.putCaption, DELETE: handlers.deleteCaption };
  resource(routes, "/:id/captions/:language", caption, options);
  resource(routes, "/:id/captions/:language/vtt", { GET: handlers.readCaptionFile }, options);
  const downloads = {
    GET: handlers.readDownloads,
    POST: handlers.createDownload,
    DELETE: handlers.deleteDownloads,
  };
  resource(routes, "/:id/downloads", downloads, options);
  return routes;
}

/** The handlers of the operations about captions and downloads, for one of the two APIs. */
export function relayHandlers(ports: RelayPorts, door: Door) {
  const json = (operation: RelayedOperation, member?: string) =>
    relay(ports, operation, door, respondJson(door, member));
  return {
    listCaptions: json(OPERATIONS.listCaptions, "captions"),
    readCaption: json(OPERATIONS.readCaption),
    putCaption: json(OPERATIONS.putCaption),
    deleteCaption: json(OPERATIONS.deleteCaption),
    readCaptionFile: relay(ports, OPERATIONS.readCaptionFile, door, (c, text) =>
      c.body(String(text), 200, { "Content-Type": `${WEBVTT}; charset=utf-8`, ...NO_STORE }),
    ),
    readDownloads: json(OPERATIONS.readDownloads),
    createDownload: json(OPERATIONS.createDownload),
    deleteDownloads: json(OPERATIONS.deleteDownloads),
  };
}

const WEBVTT = "text/vtt";
const NO_STORE = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };

type Respond = (c: Context<AppEnv>, result: unknown) => Response;

/** @param member under which a list stands in an answer of the tenant's own API */
function respondJson(door: Door, member: string | undefined): Respond {
  return (c, result) => {
    if (door === "cloudflare") return respondResult(c, result);
    if (c.req.method === "DELETE") return c.body(null, 204);
    return c.json(member === undefined ? result : { [member]: result }, 200, NO_STORE);
  };
}

function relay(ports: RelayPorts, operation: RelayedOperation, door: Door, respond: Respond): Handler<AppEnv> {
  const access = requireOperation(ports, operation);
  return handle({ access, query: noParameters }, async (c) => {
    const content = await readContent(c, operation);
    if (!content.ok) return content;
    const outcome = await onUpload(ports, c, operation, door, (access, upload) =>
      c.get("log").measure("stream", relayCall(ports, operation, { access, upload }, content.value)),
    );
    return outcome.ok ? respond(c, outcome.value) : outcome;
  });
}

/** The language in the path, and the file of captions. */
async function readContent(
  c: Context<AppEnv>,
  operation: RelayedOperation,
): Promise<Result<Parameters<typeof relayCall>[3]>> {
  if (!operation.path.includes("/:language")) return ok({});
  const language = parameterOf(c, "language");
  if (!LANGUAGE.test(language))
    return err(
      problem("bad_request", `language must be a tag such as en or pt-BR${quoteRequested(language)}.`, {
        key: "language",
      }),
    );
  if (operation === OPERATIONS.readCaptionFile) return ok({ language, accept: WEBVTT });
  if (operation.method !== "PUT") return ok({ language });
  const text = await readCaptionFile(c.req.raw);
  return text.ok ? ok({ language, file: { name: `${language}.vtt`, type: WEBVTT, text: text.value } }) : text;
}

/** The form of a BCP 47 tag. Which ones there are is for Stream to say. */
const LANGUAGE = /^(?=.{2,35}$)[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/;
