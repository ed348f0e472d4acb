import type { Handler } from "hono";
import { OPERATIONS } from "../../core/stream/rules/operations.ts";
import { type EditUploadPorts, editUpload } from "../../core/uploads/edit-upload.ts";
import { readVideoEdit, videoEditSchema } from "../../core/uploads/rules/video-edit.ts";
import { uploadDocument } from "../../core/webhooks/rules/upload-event.ts";
import type { AppEnv } from "../app-env.ts";
import { respondResult } from "./envelope.ts";
import { handle } from "./handle.ts";
import { readJson } from "./json-body.ts";
import { type Door, type OnUploadPorts, onUpload, requireOperation } from "./on-upload.ts";

/**
 * The handler of an edit, for one of the two APIs: it answers with the upload, or with the video on Cloudflare's path. What the
 * credential can refuse is refused before the body is read.
 */
export function editVideo(ports: OnUploadPorts & EditUploadPorts, door: Door): Handler<AppEnv> {
  const operation = OPERATIONS.editVideo;
  return handle({ access: requireOperation(ports, operation) }, async (c) => {
    const body = await readJson(c.req.raw, videoEditSchema, door === "cloudflare" ? "any" : "json");
    if (!body.ok) return body;
    const edit = readVideoEdit(body.value);
    if (!edit.ok) return edit;

    const edited = await onUpload(ports, c, operation, door, (access, upload) =>
      editUpload(ports, access, upload, edit.value, c.get("log")),
    );
    if (!edited.ok) return edited;
    const { upload, video } = edited.value;
    if (door === "cloudflare") return respondResult(c, video);
    return c.json(uploadDocument(upload), 200, { "Cache-Control": "no-store" });
  });
}
