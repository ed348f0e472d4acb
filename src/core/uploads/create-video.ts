import type { Trace } from "../ports/trace.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { type CreateUploadPorts, type CreateUploadRequest, type CreatedVideo, createUpload } from "./create-upload.ts";
import { NO_SUCH_UPLOAD } from "./find-upload.ts";
import type { UploadRecord } from "./rules/upload-record.ts";

/** Makes a copy or a clip, see `createUpload`. @returns its upload as well, as the ledger has it now */
export async function createVideo(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  trace: Trace,
): Promise<Result<{ readonly created: CreatedVideo; readonly upload: UploadRecord }>> {
  const created = await createUpload(ports, request, trace);
  if (!created.ok) return created;
  const upload = await ports.ledgers.find(request.tenant, created.value.id);
  if (!upload.ok) return upload;
  return upload.value ? ok({ created: created.value, upload: upload.value }) : err(NO_SUCH_UPLOAD);
}
