import { problem } from "../shared/problem.ts";
import { visibilityOf, canAccess } from "../auth/rules/upload-visibility.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { type VideoJson, videoDocument, withoutTag } from "../stream/rules/video-document.ts";
import type { Access } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { UploadRecord } from "./rules/upload-record.ts";
import type { Budget } from "../ports/budget.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";

/** The same for an id that never existed, that is none, that is another tenant's, and that the caller may not see. */
export const NO_SUCH_UPLOAD = problem("not_found", "There is no such upload.");

/** An upload that the caller may see, by its id or by Stream's identifier of its video. */
export async function findUpload(
  { ledgers }: { readonly ledgers: Ledgers },
  { caller, tenant }: Access,
  idOrUid: string,
): Promise<Result<UploadRecord>> {
  const found = await ledgers.find(tenant.id, idOrUid);
  if (!found.ok) return found;
  return found.value && canAccess(visibilityOf(caller, tenant.policy), found.value)
    ? ok(found.value)
    : err(NO_SUCH_UPLOAD);
}

/** An upload whose video Stream would show the caller, if it were the only one that Stream has. */
export async function findVideo(
  ports: { readonly ledgers: Ledgers },
  access: Access,
  uid: string,
): Promise<Result<UploadRecord>> {
  const found = await findUpload(ports, access, uid);
  if (!found.ok) return found;
  return videoDocument(found.value)?.uid === uid ? found : err(NO_SUCH_UPLOAD);
}

export interface ViewVideoPorts {
  readonly registry: Registry;
  readonly budget: Budget;
  readonly stream: StreamApi;
}

/** How Stream shows the video of an upload at this moment; undefined: it has none. One call of the upstream's budget. */
export async function viewVideo(
  { registry, budget, stream }: ViewVideoPorts,
  tenant: string,
  { uid, upstream: id }: UploadRecord,
): Promise<Result<VideoJson | undefined>> {
  if (uid === undefined) return ok(undefined);
  const upstream = await registry.upstream(id, "trusted");
  if (!upstream.ok) return upstream;
  if (!upstream.value) return err(problem("upstream_unknown", "The gateway is not set up for this upload."));
  const call = await budget.acquire(upstream.value, tenant, "foreground");
  if (!call.granted)
    return err(
      problem("upstream_busy", "Stream is being asked for too much at the moment.", {
        retryAfterSeconds: call.retryAfterSeconds,
      }),
    );
  const video = await stream.video(upstream.value, uid);
  if (!video) return err(problem("stream_error", "Stream does not show the video at the moment."));
  return ok("json" in video ? withoutTag(video.json) : undefined);
}
