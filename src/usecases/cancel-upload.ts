import { type Result, accept } from "../domain/result.ts";
import type { ViewVideoPorts } from "./find-upload.ts";
import type { KeptUpload, Ledgers } from "./ledger-port.ts";
import type { Trace } from "./ports.ts";

export interface CancelUploadPorts extends ViewVideoPorts {
  readonly ledgers: Ledgers;
}

/**
 * Cancels an upload that has been found: the ledger first, so that nothing is held or handed out any longer, then the
 * video. What cannot be deleted now (Stream is down, the budget is empty, the creation's answer is still on its way) the
 * ledger's alarm deletes later; so the upload is cancelled whatever Stream says, and cancelling it again changes nothing.
 *
 * Stream does not take tus's DELETE on the upload URL (assumed: secondary source): the API's DELETE ends an upload that is
 * under way, too.
 */
export async function cancelUpload(
  ports: CancelUploadPorts,
  tenant: string,
  upload: KeptUpload,
  trace: Trace,
): Promise<Result<KeptUpload>> {
  const { id, uid, upstream, unwanted } = upload;
  trace.note({ uploadId: id, upstream, ...(uid !== undefined && { uid }) });
  // Whoever cancelled it first has seen to the video.
  if (unwanted) return accept(upload);

  const cancelled = await ports.ledgers.cancel(tenant, id);
  if (!cancelled.ok) return cancelled;
  // It was there a moment ago; the ledger forgets what is long finished, and then there is nothing to cancel.
  if (!cancelled.value) return accept(upload);
  await trace.measure("stream", deleteVideo(ports, tenant, cancelled.value));
  return accept(cancelled.value);
}

/** One call of the upstream's budget, if it has one. */
async function deleteVideo(
  { registry, budget, stream, ledgers }: CancelUploadPorts,
  tenant: string,
  { id, uid, upstream: upstreamId }: KeptUpload,
): Promise<void> {
  if (uid === undefined) return;
  const upstream = await registry.upstream(upstreamId, "vouched for");
  if (!upstream.ok || !upstream.value) return;
  const call = await budget.acquire(upstream.value, tenant, "foreground");
  if (!call.granted) return;
  if (await stream.deleteVideo(upstream.value, uid)) await ledgers.confirmGone(tenant, id);
}
