import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import { type Access, versionOf } from "../auth/authenticate.ts";
import { asCurrent } from "./as-current.ts";
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
  /** Authenticates the caller against this registry. */
  readonly authenticate: (registry: Registry) => Promise<Result<Access>>;
  /** Looks up the upload; `not_found` if the caller may not see it. */
  readonly find: (access: Access) => Promise<Result<UploadRecord>>;
}

/**
 * Cancels an upload: first in the ledger, which releases its quota and withholds its URL, then at Stream. If the video
 * cannot be deleted now (Stream is down, the budget is empty, the creation is still in progress), the ledger's alarm deletes
 * it later. The upload is therefore cancelled regardless of Stream; cancelling it again only tries the open deletion again.
 *
 * Stream does not support the tus DELETE on the upload URL (assumed: secondary source). Deleting the video by the API also
 * ends an upload in progress.
 */
export function cancelUpload(
  ports: CancelUploadPorts,
  request: CancelUploadRequest,
  trace: Trace,
): Promise<Result<UploadRecord>> {
  return asCurrent(ports.registry, (registry) => cancelAs(ports, request, registry, trace));
}

/** Of a grant: the tenant's backend decides about a video that was processed. */
const FINISHED = problem(
  "grant_used",
  "The upload is finished. A grant cancels an upload until then; the video of a finished one is deleted with an API key.",
);

/** @returns `stale` if the ledger has seen a later version of the tenant than this registry */
async function cancelAs(
  ports: CancelUploadPorts,
  { authenticate, find }: CancelUploadRequest,
  registry: Registry,
  trace: Trace,
): Promise<Result<UploadRecord> | "stale"> {
  const access = await authenticate(registry);
  if (!access.ok) return access;
  const upload = await find(access.value);
  if (!upload.ok) return upload;
  const { id, uid, upstream, deletionRequested, deletionPending } = upload.value;
  trace.annotate({ uploadId: id, upstream, ...(uid !== undefined && { uid }) });
  if (deletionRequested && !deletionPending) return upload;

  const { tenant, caller } = access.value;
  const cancelled = await ports.ledgers.cancel(tenant.id, id, versionOf(access.value), caller.kind === "grant");
  if (!cancelled.ok) return cancelled;
  if (cancelled.value === "stale") return "stale";
  if (cancelled.value === "finished") return err(FINISHED);
  // The ledger has deleted the record since it was found: it removes finished uploads after a while.
  if (!cancelled.value) return upload;
  await trace.measure("stream", deleteVideo(ports, tenant.id, cancelled.value));
  return ok(cancelled.value);
}

/** Takes one call from the upstream's budget; does nothing if there is none. */
async function deleteVideo(
  { registry, budget, stream, ledgers }: CancelUploadPorts,
  tenant: string,
  { id, uid, upstream: upstreamId }: UploadRecord,
): Promise<void> {
  if (uid === undefined) return;
  const upstream = requireUpstream(await registry.upstream(upstreamId, "trusted"));
  if (!upstream.ok) return;
  const call = await budget.acquire(upstream.value, tenant, "foreground");
  if (!call.granted) return;
  if (await stream.deleteVideo(upstream.value, uid)) await ledgers.confirmVideoDeleted(tenant, id);
}
