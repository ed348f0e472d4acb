import type { UploadEventBody } from "../../src/core/webhooks/rules/upload-event.ts";
import type { LocalStream } from "../../src/local-stream/local-stream.ts";
import { bearer } from "../support/http.ts";
import type { Received } from "../support/webhook-receiver.ts";

type Upload = UploadEventBody["data"]["upload"];
type Video = ReturnType<LocalStream["videos"]>[number];

/** Lists all uploads of a tenant, page by page, through the API. @param filter further query parameters */
export async function listUploads(
  url: string,
  { id, key }: { id: string; key: string },
  filter = "",
): Promise<Upload[]> {
  const uploads: Upload[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const query = filter + (cursor === "" ? "" : `&cursor=${cursor}`);
    const answer = await fetch(`${url}/v1/${id}/uploads?limit=100${query}`, { headers: bearer(key) });
    const page = (await answer.json()) as { uploads: Upload[]; cursor?: string };
    uploads.push(...page.uploads);
    ({ cursor } = page);
  }
  return uploads;
}

/** Delivered events by `webhook-id`, and what is wrong with them. */
export function readEvents(received: readonly Received[]) {
  const events = new Map<string, UploadEventBody>();
  const texts = new Map<string, string>();
  const problems: string[] = [];
  for (const { endpoint, id, text, verifiedBy } of received) {
    const event = JSON.parse(text) as UploadEventBody;
    if (verifiedBy.length === 0) problems.push(`${id}: invalid signature`);
    if (event.data.tenant !== endpoint) problems.push(`${id} was delivered to ${endpoint}`);
    if ((texts.get(id) ?? text) !== text) problems.push(`${id} changed between deliveries`);
    events.set(id, event);
    texts.set(id, text);
  }
  return { events, repeated: received.length - events.size, problems };
}

/** Describes where the ledger, Stream and the delivered events differ. */
export function compare(
  tenant: string,
  uploads: readonly Upload[],
  videos: readonly Video[],
  received: ReadonlyMap<string, UploadEventBody>,
  unfinished: ReadonlySet<string>,
): string[] {
  const atStream = new Map(videos.map((video) => [video.uid, video]));
  const delivered = new Map<string, string[]>();
  for (const { type, data } of received.values()) {
    if (data.tenant === tenant) delivered.set(data.upload.id, [...(delivered.get(data.upload.id) ?? []), type]);
  }

  const differences: string[] = [];
  const own = videos.filter(({ meta }) => String(meta["sluice"]).startsWith(`${tenant}/`)).length;
  const ready = uploads.filter(({ state }) => state === "ready");
  if (own !== ready.length) differences.push(`${tenant}: ${own} videos at Stream, ${ready.length} in the ledger`);
  for (const { id, uid = "", state, seconds } of uploads) {
    const video = atStream.get(uid);
    const isLost = !delivered.has(id);
    if (isLost) {
      if (state !== "expired" && state !== "cancelled") differences.push(`${tenant} ${id}: lost, but ${state}`);
      if (video) differences.push(`${tenant} ${id}: lost, but at Stream`);
      continue;
    }
    const end = unfinished.has(id) ? "expired" : "ready";
    if (state !== end) differences.push(`${tenant} ${id}: ${state}, not ${end}`);
    if (state === "ready" && (video?.status.state !== "ready" || video.duration !== seconds))
      differences.push(`${tenant} ${id}: ${seconds} s, at Stream ${video?.status.state} ${video?.duration} s`);
    if (state === "expired" && video) differences.push(`${tenant} ${id}: expired, at Stream ${video.status.state}`);
    const events = delivered.get(id)?.toSorted().join(" ");
    if (events !== `upload.created upload.${end}`) differences.push(`${tenant} ${id}: delivered ${events}`);
  }
  return differences;
}
