import { type Result, ok, err } from "../shared/result.ts";
import { type Access, TENANT_CHANGING, versionOf } from "../auth/authenticate.ts";
import type { ViewVideoPorts } from "./find-upload.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { UploadRecord } from "./rules/upload-record.ts";
import type { Trace } from "../ports/trace.ts";
import type { CachedRegistry, Registry } from "../ports/registry.ts";

export interface CancelUploadPorts extends ViewVideoPorts {
  readonly registry: CachedRegistry;
  readonly ledgers: Ledgers;
}

export interface CancelUploadRequest {
  /** Finds out who asks, by what this registry knows. */
  readonly authenticate: (registry: Registry) => Promise<Result<Access>>;
  /** The upload, if the caller may see it. */
  readonly find: (access: Access) => Promise<Result<UploadRecord>>;
}

/**
 * Cancels an upload: the ledger first, so that nothing is held or handed out any longer, then the video. What cannot be
 * deleted now (Stream is down, the budget is empty, the creation's answer is still on its way) the ledger's alarm deletes
 * later; so the upload is cancelled whatever Stream says, and cancelling it again changes nothing.
 *
 * Stream does not take tus's DELETE on the upload URL (assumed: secondary source): the API's DELETE ends an upload that is
 * under way, too.
 */
export async function cancelUpload(
  ports: CancelUploadPorts,
  request: CancelUploadRequest,
  trace: Trace,
): Promise<Result<UploadRecord>> {
  const cancelled = await cancelAs(ports, request, ports.registry, trace);
  if (cancelled !== "stale") return cancelled;

  // The tenant has changed since it was cached here: it is decided anew, once, by what is there now.
  const anew = await cancelAs(ports, request, ports.registry.uncached, trace);
  if (anew !== "stale") return anew;
  return err(TENANT_CHANGING);
}

/** Cancels what the caller may see, as a registry knows the caller. Stale: the ledger knows of a later tenant. */
async function cancelAs(
  ports: CancelUploadPorts,
  { authenticate, find }: CancelUploadRequest,
  registry: Registry,
  trace: Trace,
): Promise<Result<UploadRecord> | "stale"> {
  const access = await authenticate(registry);
  if (!access.ok) return access;
  const found = await find(access.value);
  if (!found.ok) return found;
  const { id, uid, upstream, unwanted } = found.value;
  trace.annotate({ uploadId: id, upstream, ...(uid !== undefined && { uid }) });
  // Whoever cancelled it first has seen to the video.
  if (unwanted) return found;

  const { tenant } = access.value;
  const cancelled = await ports.ledgers.cancel(tenant.id, id, versionOf(access.value));
  if (!cancelled.ok) return cancelled;
  if (cancelled.value === "stale") return "stale";
  // It was there a moment ago; the ledger forgets what is long finished, and then there is nothing to cancel.
  if (!cancelled.value) return found;
  await trace.measure("stream", deleteVideo(ports, tenant.id, cancelled.value));
  return ok(cancelled.value);
}

/** One call of the upstream's budget, if it has one. */
async function deleteVideo(
  { registry, budget, stream, ledgers }: CancelUploadPorts,
  tenant: string,
  { id, uid, upstream: upstreamId }: UploadRecord,
): Promise<void> {
  if (uid === undefined) return;
  const upstream = await registry.upstream(upstreamId, "trusted");
  if (!upstream.ok || !upstream.value) return;
  const call = await budget.acquire(upstream.value, tenant, "foreground");
  if (!call.granted) return;
  if (await stream.deleteVideo(upstream.value, uid)) await ledgers.confirmVideoDeleted(tenant, id);
}
