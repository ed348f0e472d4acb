import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import { type Result, ok } from "../shared/result.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Budget } from "../ports/budget.ts";
import type { Trace } from "../ports/trace.ts";
import type { RegistryIndex, Registry } from "../ports/registry.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { StreamVideo } from "../stream/rules/video.ts";

export interface RecordStreamEventPorts {
  readonly registry: Pick<Registry, "tenant">;
  readonly directory: Pick<RegistryIndex, "listTenantIds">;
  readonly ledgers: Pick<Ledgers, "record">;
  readonly stream: Pick<StreamApi, "video">;
  readonly budget: Pick<Budget, "acquire">;
}

/**
 * Ledgers that are asked whether they know a video whose `meta` nobody tells. A video of a tenant beyond them is settled
 * by the alarm of its ledger, which asks for it by its uid.
 */
const MAX_LEDGERS_ASKED = 100;
const LEDGERS_AT_ONCE = 10;

export interface RecordAccountEventPorts extends RecordStreamEventPorts {
  readonly registry: Pick<Registry, "tenant" | "upstream">;
  readonly directory: Pick<RegistryIndex, "listTenantIds" | "listUpstreamIds">;
}

/**
 * Takes an event of an account's to the upstream that it is of, this one before all others: one account may be several
 * upstreams, each with a token of its own, and has one webhook.
 */
export async function recordStreamNotification(
  ports: RecordAccountEventPorts,
  upstream: Upstream,
  event: StreamVideo,
  trace: Trace,
): Promise<Result<"recorded" | "unmanaged">> {
  const first = await recordStreamEvent(ports, upstream, event, trace);
  if (!first.ok || first.value === "recorded") return first;
  const ids = await ports.directory.listUpstreamIds(upstream.accountId);
  if (!ids.ok) return ids;
  for (const id of ids.value.filter((id) => id !== upstream.id)) {
    const other = await ports.registry.upstream(id, "trusted");
    if (!other.ok) return other;
    const recorded = other.value ? await recordStreamEvent(ports, other.value, event, trace) : first;
    if (!recorded.ok || recorded.value === "recorded") return recorded;
  }
  return first;
}

/**
 * Takes an event of Stream's to the ledger that it belongs to. Events may come twice, late and in any order: the ledger
 * knows what is news to it. An account has videos that were not made here, too; these strangers are not an error.
 */
export async function recordStreamEvent(
  ports: RecordStreamEventPorts,
  upstream: Upstream,
  event: StreamVideo,
  trace: Trace,
): Promise<Result<"recorded" | "unmanaged">> {
  trace.annotate({ upstream: upstream.id, uid: event.report.uid });
  const video = await withMeta(ports, upstream, event);
  const owner = await recordVideo(ports, upstream, video);
  if (!owner.ok) return owner;
  const streamEvent = owner.value === undefined ? "unmanaged" : "recorded";
  trace.annotate({ streamEvent, ...(owner.value !== undefined && { tenant: owner.value }) });
  return ok(streamEvent);
}

/** The video with its `meta`. Cloudflare's samples of events all have it; where it is missing, Stream is asked once. */
async function withMeta(ports: RecordStreamEventPorts, upstream: Upstream, event: StreamVideo): Promise<StreamVideo> {
  if (hasMeta(event)) return event;
  const asking = await ports.budget.acquire(upstream, BACKGROUND_TENANT, "background");
  const video = asking.granted ? await ports.stream.video(upstream, event.report.uid) : undefined;
  return video && "json" in video ? video : event;
}

function hasMeta({ json }: StreamVideo): boolean {
  return Boolean(json["meta"]);
}

/** The tenant whose ledger has taken it in; undefined: none. */
type Owner = Promise<Result<string | undefined>>;

/** With `meta` and no tag, it was made elsewhere; or somebody took the tag away, and the alarm of its ledger settles it. */
async function recordVideo(ports: RecordStreamEventPorts, upstream: Upstream, video: StreamVideo): Owner {
  if (video.tag) return recordByTag(ports, upstream, video, video.tag);
  return hasMeta(video) ? ok(undefined) : recordByUid(ports, upstream, video);
}

/** A tag may have been written by anyone who may edit the account's videos; so the ledger checks what it says. */
async function recordByTag(
  { registry, ledgers }: RecordStreamEventPorts,
  upstream: Upstream,
  video: StreamVideo,
  { tenant: id }: NonNullable<StreamVideo["tag"]>,
): Owner {
  const tenant = await registry.tenant(id);
  if (!tenant.ok) return tenant;
  // Asking for a ledger makes it: there must be none for a name that somebody has made up.
  if (!tenant.value) return ok(undefined);
  const recorded = await ledgers.record(id, upstream.id, video);
  return recorded.ok ? ok(recorded.value ? id : undefined) : recorded;
}

/** Whether there is a tag is not known. */
async function recordByUid(ports: RecordStreamEventPorts, upstream: Upstream, video: StreamVideo): Owner {
  const tenants = await ports.directory.listTenantIds(upstream.id, { after: "", limit: MAX_LEDGERS_ASKED });
  if (!tenants.ok) return tenants;
  let refused: Awaited<ReturnType<Ledgers["record"]>> | undefined;
  for (let start = 0; start < tenants.value.length; start += LEDGERS_AT_ONCE) {
    const asked = tenants.value.slice(start, start + LEDGERS_AT_ONCE);
    const answers = await Promise.all(asked.map((tenant) => ports.ledgers.record(tenant, upstream.id, video)));
    const owner = asked.find((_, index) => answers[index]?.ok && answers[index].value);
    if (owner !== undefined) return ok(owner);
    refused ??= answers.find(({ ok }) => !ok);
  }
  // It may be theirs who could not be asked.
  return refused && !refused.ok ? refused : ok(undefined);
}
