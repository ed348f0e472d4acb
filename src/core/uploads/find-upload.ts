import { acquireCall } from "../budget/acquire-call.ts";
import { problem } from "../shared/problem.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import { canAccess } from "../auth/rules/upload-visibility.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { type VideoJson, videoDocument, forClients } from "../stream/rules/video-document.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { UploadRecord } from "./rules/upload-record.ts";
import type { Budget } from "../ports/budget.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";

/** One error for an invalid or unknown id, another tenant's upload, and an upload the caller may not see. */
export const NO_SUCH_UPLOAD = problem("not_found", "There is no such upload.");

/** Finds an upload that the caller may see, by its id or by the uid of its video. */
export async function findUpload(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  idOrUid: string,
): Promise<Result<UploadRecord>> {
  const record = await ledgerToRead(ledgers, tenant).find(tenant.id, idOrUid);
  if (!record.ok) return record;
  return record.value && canAccess(caller, record.value) ? ok(record.value) : err(NO_SUCH_UPLOAD);
}

/** Finds an upload by the uid of its video, if the Cloudflare-compatible API shows a video for it. */
export async function findVideo(
  ports: { readonly ledgers: Ledgers },
  access: Access,
  uid: string,
): Promise<Result<UploadRecord>> {
  const upload = await findUpload(ports, access, uid);
  if (!upload.ok) return upload;
  return videoDocument(upload.value)?.uid === uid ? upload : err(NO_SUCH_UPLOAD);
}

export interface ViewVideoPorts {
  readonly registry: Registry;
  readonly budget: Budget;
  readonly stream: StreamApi;
}

/**
 * Reads the video of an upload from Stream. Takes one call from the upstream's budget.
 *
 * @returns `undefined` if Stream has no video for it
 */
export async function viewVideo(
  { registry, budget, stream }: ViewVideoPorts,
  tenant: string,
  { uid, upstream: id }: UploadRecord,
): Promise<Result<VideoJson | undefined>> {
  if (uid === undefined) return ok(undefined);
  const upstream = requireUpstream(await registry.upstream(id, "trusted"));
  if (!upstream.ok) return upstream;
  const call = await acquireCall(budget, upstream.value, tenant, "foreground");
  if (!call.ok) return call;
  const video = await stream.video(upstream.value, uid);
  if (!video) return err(problem("stream_error", "Stream did not return the video."));
  return ok("json" in video ? forClients(video.json) : undefined);
}
