import { acquireCall } from "../budget/acquire-call.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { ExpiringUpload } from "../quota/rules/reservation.ts";
import { type Result, ok } from "../shared/result.ts";

export interface ResolveExpiringPorts {
  readonly registry: Registry;
  readonly ledgers: Pick<Ledgers, "expire" | "record">;
  readonly budget: Pick<Budget, "acquire">;
  readonly stream: Pick<StreamApi, "uploadUrlState" | "video" | "deleteVideo">;
}

/**
 * Finds out what became of an upload whose URL is about to expire, or has expired, for a client that repeats its creation. An
 * upload that has begun goes on with its old URL. An empty one makes way for a new upload, once its video is deleted: else two
 * URLs of one key would be alive. Takes up to two calls of the tenant's share of the budget.
 *
 * @returns `in use` if the old URL is to be replayed, `settled` if the ledger knows now what became of it, `unclear` if Stream
 *   does not say
 */
export async function resolveExpiringUpload(
  { registry, ledgers, budget, stream }: ResolveExpiringPorts,
  tenant: string,
  { id, uid, location, upstream: upstreamId }: ExpiringUpload,
): Promise<Result<"in use" | "settled" | "unclear">> {
  const expire = async (): Promise<Result<"settled">> => {
    const expired = await ledgers.expire(tenant, id);
    return expired.ok ? ok("settled") : expired;
  };
  const state = await stream.uploadUrlState(location);
  if (state === "in use" || state === "unclear") return ok(state);

  const upstream = await registry.upstream(upstreamId, "trusted");
  if (!upstream.ok) return upstream;
  // The account is no longer configured, so neither is its video reachable.
  if (!upstream.value) return expire();
  const call = await acquireCall(budget, upstream.value, tenant, "foreground");
  if (!call.ok) return call;
  const video = await stream.video(upstream.value, uid);
  if (!video) return ok("unclear");
  if ("json" in video && video.report.kind !== "pending") {
    const recorded = await ledgers.record(tenant, upstreamId, video);
    return recorded.ok ? ok("settled") : recorded;
  }
  if ("json" in video) {
    const deletion = await acquireCall(budget, upstream.value, tenant, "foreground");
    if (!deletion.ok) return deletion;
    if (!(await stream.deleteVideo(upstream.value, uid))) return ok("unclear");
  }
  return expire();
}
