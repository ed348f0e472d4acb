import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { RegistryIndex, Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Trace } from "../ports/trace.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamVideo } from "../stream/rules/video.ts";

export interface RecordStreamNotificationPorts {
  readonly registry: Pick<Registry, "tenant" | "upstream"> & { readonly uncached: Pick<Registry, "tenant"> };
  readonly directory: Pick<RegistryIndex, "listTenantIds" | "listUpstreamIds">;
  readonly ledgers: Pick<Ledgers, "record">;
  readonly stream: Pick<StreamApi, "video">;
  readonly budget: Pick<Budget, "acquire">;
}

/**
 * Most ledgers per upstream to search for a video by its uid. The upload of another tenant is settled by the alarm of its
 * ledger, which reads the video from Stream.
 */
const MAX_LEDGERS_SEARCHED = 100;
const LEDGERS_AT_ONCE = 10;

/**
 * Records a Stream notification in the ledger of its tenant. Notifications may arrive twice, late and in any order; the
 * ledger ignores those that change nothing. Unmanaged videos, which were not created by the gateway, are not an error.
 *
 * @param upstream that the notification came to. An account has one webhook, but may be several upstreams
 * @returns `unmanaged` if no upload of any tenant has this video
 */
export async function recordStreamNotification(
  ports: RecordStreamNotificationPorts,
  upstream: Upstream,
  notification: StreamVideo,
  trace: Trace,
): Promise<Result<"recorded" | "unmanaged">> {
  const { report, tooDeep } = notification;
  trace.annotate({ upstream: upstream.id, uid: report.uid, ...(tooDeep && { tooDeep }) });
  const owner = await findOwner(ports, upstream, await withMeta(ports, upstream, notification));
  if (!owner.ok) return owner;
  const streamEvent = owner.value ? "recorded" : "unmanaged";
  trace.annotate({ streamEvent, ...owner.value });
  return ok(streamEvent);
}

/** Reads the video from Stream, once, if the notification has no `meta`. All of Cloudflare's samples have it. */
async function withMeta(
  ports: RecordStreamNotificationPorts,
  upstream: Upstream,
  notification: StreamVideo,
): Promise<StreamVideo> {
  if (notification.json["meta"] || notification.tooDeep) return notification;
  const call = await ports.budget.acquire(upstream, BACKGROUND_TENANT, "background");
  const video = call.granted ? await ports.stream.video(upstream, notification.report.uid) : undefined;
  return video && "json" in video ? video : notification;
}

/** The tenant whose ledger recorded the video, and the upstream of its upload; `undefined` if none did. */
type Owner = Promise<Result<{ readonly tenant: string; readonly upstream: string } | undefined>>;

/** Tries the ledger that the tag names, on each upstream of the account, and then the others: a tag can be edited or removed. */
async function findOwner(ports: RecordStreamNotificationPorts, upstream: Upstream, video: StreamVideo): Owner {
  const first = await recordByTag(ports, upstream, video);
  if (!first.ok || first.value) return first;
  const others = await otherUpstreams(ports, upstream);
  if (!others.ok) return others;
  const attempts = [
    ...others.value.map((other) => () => recordByTag(ports, other, video)),
    ...[upstream, ...others.value].map((each) => () => recordByUid(ports, each, video)),
  ];
  for (const attempt of attempts) {
    const owner = await attempt();
    if (!owner.ok || owner.value) return owner;
  }
  return ok(undefined);
}

async function otherUpstreams(
  { directory, registry }: RecordStreamNotificationPorts,
  { id: first, accountId }: Upstream,
): Promise<Result<readonly Upstream[]>> {
  const ids = await directory.listUpstreamIds(accountId);
  if (!ids.ok) return ids;
  const others: Upstream[] = [];
  for (const id of ids.value.filter((id) => id !== first)) {
    const other = await registry.upstream(id, "trusted");
    if (!other.ok) return other;
    if (other.value) others.push(other.value);
  }
  return ok(others);
}

/** The tag only says which ledger to ask: the ledger verifies it. */
async function recordByTag(
  { registry, ledgers }: RecordStreamNotificationPorts,
  upstream: Upstream,
  video: StreamVideo,
): Owner {
  if (!video.tag) return ok(undefined);
  const { tenant: id } = video.tag;
  const cached = await registry.tenant(id);
  // A token may have made it since this isolate has looked for it: its first video can be ready before the cache forgets that.
  const tenant = cached.ok && !cached.value ? await registry.uncached.tenant(id) : cached;
  if (!tenant.ok) return tenant;
  // A call to a ledger creates it: no ledger may be created for an invented name.
  if (!tenant.value) return ok(undefined);
  const recorded = await ledgers.record(tenant.value.id, upstream.id, video);
  if (!recorded.ok) return recorded;
  return ok(recorded.value ? { tenant: tenant.value.id, upstream: upstream.id } : undefined);
}

/**
 * Searches the ledgers of the upstream's tenants by uid. Only for the end of the processing, since a search costs up to a
 * hundred calls, and videos that were created elsewhere are searched for as well.
 */
async function recordByUid(ports: RecordStreamNotificationPorts, upstream: Upstream, video: StreamVideo): Owner {
  if (video.report.kind !== "ready" && video.report.kind !== "failed") return ok(undefined);
  const tenants = await ports.directory.listTenantIds(upstream.id, { after: "", limit: MAX_LEDGERS_SEARCHED });
  if (!tenants.ok) return tenants;
  let failure: Awaited<ReturnType<Ledgers["record"]>> | undefined;
  for (let start = 0; start < tenants.value.length; start += LEDGERS_AT_ONCE) {
    const batch = tenants.value.slice(start, start + LEDGERS_AT_ONCE);
    const answers = await Promise.all(batch.map((tenant) => ports.ledgers.record(tenant, upstream.id, video)));
    const tenant = batch.find((_, index) => answers[index]?.ok && answers[index].value);
    if (tenant !== undefined) return ok({ tenant, upstream: upstream.id });
    failure ??= answers.find(({ ok }) => !ok);
  }
  // A ledger that failed may own the video.
  return failure && !failure.ok ? failure : ok(undefined);
}
