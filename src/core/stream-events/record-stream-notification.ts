import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { RegistryIndex, Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Trace } from "../ports/trace.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamVideo } from "../stream/rules/video.ts";

export interface RecordForUpstreamPorts {
  readonly registry: Pick<Registry, "tenant">;
  readonly directory: Pick<RegistryIndex, "listTenantIds">;
  readonly ledgers: Pick<Ledgers, "record">;
  readonly stream: Pick<StreamApi, "video">;
  readonly budget: Pick<Budget, "acquire">;
}

/**
 * Most ledgers to search for a video whose `meta` is unknown. A video of another tenant is settled by the alarm of its
 * ledger, which reads the video by its uid.
 */
const MAX_LEDGERS_SEARCHED = 100;
const LEDGERS_AT_ONCE = 10;

export interface RecordStreamNotificationPorts extends RecordForUpstreamPorts {
  readonly registry: Pick<Registry, "tenant" | "upstream">;
  readonly directory: Pick<RegistryIndex, "listTenantIds" | "listUpstreamIds">;
}

/**
 * Records what Stream reports about a video of an account. An account has one webhook, but may be several upstreams, each
 * with its own token: tries the given upstream first, then the others.
 *
 * @returns `unmanaged` if no upload of any tenant has this video
 */
export async function recordStreamNotification(
  ports: RecordStreamNotificationPorts,
  upstream: Upstream,
  notification: StreamVideo,
  trace: Trace,
): Promise<Result<"recorded" | "unmanaged">> {
  const first = await recordForUpstream(ports, upstream, notification, trace);
  if (!first.ok || first.value === "recorded") return first;
  const ids = await ports.directory.listUpstreamIds(upstream.accountId);
  if (!ids.ok) return ids;
  for (const id of ids.value.filter((id) => id !== upstream.id)) {
    const other = await ports.registry.upstream(id, "trusted");
    if (!other.ok) return other;
    const recorded = other.value ? await recordForUpstream(ports, other.value, notification, trace) : first;
    if (!recorded.ok || recorded.value === "recorded") return recorded;
  }
  return first;
}

/**
 * Records a Stream notification in the ledger of its tenant. Notifications may arrive twice, late and in any order; the
 * ledger ignores those that change nothing. Unmanaged videos, which were not created by the gateway, are not an error.
 */
export async function recordForUpstream(
  ports: RecordForUpstreamPorts,
  upstream: Upstream,
  notification: StreamVideo,
  trace: Trace,
): Promise<Result<"recorded" | "unmanaged">> {
  trace.annotate({ upstream: upstream.id, uid: notification.report.uid });
  const video = await withMeta(ports, upstream, notification);
  const owner = await recordVideo(ports, upstream, video);
  if (!owner.ok) return owner;
  const streamEvent = owner.value === undefined ? "unmanaged" : "recorded";
  trace.annotate({ streamEvent, ...(owner.value !== undefined && { tenant: owner.value }) });
  return ok(streamEvent);
}

/** Reads the video from Stream, once, if the notification has no `meta`. All of Cloudflare's samples have it. */
async function withMeta(
  ports: RecordForUpstreamPorts,
  upstream: Upstream,
  notification: StreamVideo,
): Promise<StreamVideo> {
  if (hasMeta(notification)) return notification;
  const call = await ports.budget.acquire(upstream, BACKGROUND_TENANT, "background");
  const video = call.granted ? await ports.stream.video(upstream, notification.report.uid) : undefined;
  return video && "json" in video ? video : notification;
}

function hasMeta({ json }: StreamVideo): boolean {
  return Boolean(json["meta"]);
}

/** The tenant whose ledger recorded the video; `undefined` if none did. */
type Owner = Promise<Result<string | undefined>>;

/**
 * A video with `meta` but no tag was created elsewhere, or its tag was removed; the alarm of its ledger settles the latter.
 */
async function recordVideo(ports: RecordForUpstreamPorts, upstream: Upstream, video: StreamVideo): Owner {
  if (video.tag) return recordByTag(ports, upstream, video, video.tag);
  return hasMeta(video) ? ok(undefined) : recordByUid(ports, upstream, video);
}

/** Anyone who may edit the account's videos may write a tag, so the ledger verifies it. */
async function recordByTag(
  { registry, ledgers }: RecordForUpstreamPorts,
  upstream: Upstream,
  video: StreamVideo,
  { tenant: id }: NonNullable<StreamVideo["tag"]>,
): Owner {
  const tenant = await registry.tenant(id);
  if (!tenant.ok) return tenant;
  // A call to a ledger creates it: no ledger may be created for an invented name.
  if (!tenant.value) return ok(undefined);
  const recorded = await ledgers.record(id, upstream.id, video);
  return recorded.ok ? ok(recorded.value ? id : undefined) : recorded;
}

/** Searches the ledgers of the upstream's tenants by uid, since the video's tag is unknown. */
async function recordByUid(ports: RecordForUpstreamPorts, upstream: Upstream, video: StreamVideo): Owner {
  const tenants = await ports.directory.listTenantIds(upstream.id, { after: "", limit: MAX_LEDGERS_SEARCHED });
  if (!tenants.ok) return tenants;
  let failure: Awaited<ReturnType<Ledgers["record"]>> | undefined;
  for (let start = 0; start < tenants.value.length; start += LEDGERS_AT_ONCE) {
    const batch = tenants.value.slice(start, start + LEDGERS_AT_ONCE);
    const answers = await Promise.all(batch.map((tenant) => ports.ledgers.record(tenant, upstream.id, video)));
    const owner = batch.find((_, index) => answers[index]?.ok && answers[index].value);
    if (owner !== undefined) return ok(owner);
    failure ??= answers.find(({ ok }) => !ok);
  }
  // A ledger that failed may own the video.
  return failure && !failure.ok ? failure : ok(undefined);
}
