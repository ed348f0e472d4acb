import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import { BASIC_UPLOAD_MAX_BYTES } from "./rules/direct-upload.ts";
import { type UnfinishedUploads, decideDueAction } from "./rules/upload-state.ts";
import { type VideoLookup, findLostVideo } from "./find-lost-video.ts";
import type { Budget } from "../ports/budget.ts";
import type { Registry } from "../ports/registry.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { DueUpload, DueOutcome } from "./rules/due-upload.ts";

export interface SettleDuePorts {
  readonly registry: Pick<Registry, "tenant" | "upstream">;
  readonly stream: StreamApi;
  readonly budget: Budget;
  readonly due: () => readonly DueUpload[];
  readonly settle: (upload: DueUpload, finding: DueOutcome) => void;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** An alarm has 15 minutes, and the search for one lost video may take half of them; what is still due, the next one does. */
const MAX_RUN_SECONDS = 300;

/** Between two questions about a video that is being processed, or of which Stream does not say anything: soon at first. */
const MIN_PAUSE_SECONDS = 60;

/** A hundred such videos take 17 calls of the budget in 5 minutes; what becomes of them Stream mostly tells by itself. */
const MAX_PAUSE_SECONDS = 1_800;

/**
 * Whether Stream lets an upload that has begun go on after its URL has expired is not known: if it does, for so long. As
 * long a Stream that does not say anything is waited for, and an account that is gone, since settings may only be wrong at
 * the moment. What is there after all, the reconciliation finds.
 */
const GRACE_PERIOD_SECONDS = 6 * 60 * 60;
/**
 * Between two questions about such an upload. Few are asked, since a HEAD may take the upload's lock and so break off the
 * PATCH that is running (assumed: `@tus/server` does; clients go on by themselves).
 */
const RUNNING_RETRY_SECONDS = 1_800;

/** A form may have been begun just before its basic link died. The largest, at 1 Mbit/s, takes 27 minutes. */
const MAX_FORM_SECONDS = 1_800;

/**
 * Asks Stream about uploads whose URL should be dead, and settles each by what it says: Stream itself tells nobody about
 * uploads that were abandoned, nor about creations whose answer was lost. Takes away the videos that nobody wants, where
 * that has not been done at once. Background work: it takes what the tenants leave of the budget.
 *
 * @returns when to go on, where a budget has no more calls now
 */
export async function settleDueUploads(ports: SettleDuePorts, tenant: string): Promise<number | undefined> {
  const uploads = ports.due();
  if (uploads.length === 0) return undefined;
  const owner = await ports.registry.tenant(tenant);
  // Of a tenant that is no more, nothing is kept.
  const unfinished = owner.ok ? (owner.value?.unfinishedUploads ?? "delete") : undefined;

  /** By upstream: when its budget has calls again. */
  const waiting = new Map<string, number>();
  const startedAt = ports.now();
  for (const upload of uploads) {
    if (ports.now() - startedAt > MAX_RUN_SECONDS) break;
    if (waiting.has(upload.upstream)) continue;
    const upstream = await ports.registry.upstream(upload.upstream);
    const account = upstream.ok ? upstream.value : undefined;
    if (unfinished && account) {
      const waitSeconds = await settleOne(ports, upload, account, unfinished);
      if (waitSeconds !== undefined) waiting.set(upload.upstream, ports.now() + waitSeconds);
    } else if (upstream.ok && !account)
      // The account is no longer used: nobody can be asked any more.
      ports.settle(upload, onNoAnswer(upload, ports.now()));
    else ports.settle(upload, { due: afterPause(upload, ports.now()) });
  }
  return waiting.size === 0 ? undefined : Math.min(...waiting.values());
}

/** Seconds to wait, where the budget refuses. */
async function settleOne(
  ports: SettleDuePorts,
  upload: DueUpload,
  upstream: Upstream,
  unfinished: UnfinishedUploads,
): Promise<number | undefined> {
  const now = ports.now();
  const unwanted = upload.unwanted !== 0;
  if (unwanted && upload.uid !== null) return remove(ports, upload, upstream, upload.uid);

  const asked = await lookUpVideo(ports, upload, upstream);
  if ("waitSeconds" in asked) return asked.waitSeconds;
  const { video } = asked;
  if (!video) {
    ports.settle(upload, onNoAnswer(upload, now));
    return undefined;
  }
  const { report } = video;
  const overtime = report.kind === "pending" ? await nextCheckOfRunning(ports.stream, upload, now) : undefined;
  const urlIsDead = upload.expires < now && overtime === undefined;
  const step = report.kind === "absent" ? "settle" : decideDueAction(unwanted, report, urlIsDead, unfinished);
  if (step === "delete" && report.kind !== "absent") return remove(ports, upload, upstream, report.uid);
  ports.settle(upload, {
    event: step === "expire" ? { kind: "expired" } : { kind: "reported", report },
    video,
    due: step === "wait" ? (overtime ?? afterPause(upload, now)) : null,
  });
  return undefined;
}

/** Nobody says anything: then in the end an upload holds nothing any longer. */
function onNoAnswer(upload: DueUpload, now: number): DueOutcome {
  return now > upload.expires + GRACE_PERIOD_SECONDS
    ? { event: { kind: "expired" }, due: null }
    : { due: afterPause(upload, now) };
}

/** When to go on with an upload: after as long as its URL has been dead already, so that the pauses grow. */
function afterPause({ expires }: DueUpload, now: number): number {
  return Math.max(now, expires) + Math.min(Math.max(now - expires, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS);
}

/** When to look again at an upload that may be running though its URL should be dead; undefined: it is not. */
async function nextCheckOfRunning(
  stream: StreamApi,
  { location, bytes, expires }: DueUpload,
  now: number,
): Promise<number | undefined> {
  if (location === null || now <= expires || now > expires + GRACE_PERIOD_SECONDS) return undefined;
  // Basic links reserve so much, and of a form nobody can be asked; what is as large by chance is only waited for.
  if (bytes === BASIC_UPLOAD_MAX_BYTES && now < expires + MAX_FORM_SECONDS) return expires + MAX_FORM_SECONDS;
  return (await stream.isUploadInProgress(location)) ? now + RUNNING_RETRY_SECONDS : undefined;
}

async function lookUpVideo(ports: SettleDuePorts, upload: DueUpload, upstream: Upstream): Promise<VideoLookup> {
  const { id, uid, creator, created } = upload;
  if (uid === null)
    return findLostVideo(ports, upstream, { uploadId: id, askedAt: created, ...(creator !== null && { creator }) });
  const asking = await ports.budget.acquire(upstream, BACKGROUND_TENANT, "background");
  return asking.granted
    ? { video: await ports.stream.video(upstream, uid) }
    : { waitSeconds: asking.retryAfterSeconds };
}

/** Seconds to wait, where the budget refuses. */
async function remove(
  { budget, stream, settle, now }: SettleDuePorts,
  upload: DueUpload,
  upstream: Upstream,
  uid: string,
): Promise<number | undefined> {
  const deleting = await budget.acquire(upstream, BACKGROUND_TENANT, "background");
  if (!deleting.granted) return deleting.retryAfterSeconds;
  const gone = await stream.deleteVideo(upstream, uid);
  // What has to go holds nothing, and is not left there.
  const refused = upload.unwanted === 0 ? onNoAnswer(upload, now()) : { due: afterPause(upload, now()) };
  settle(upload, gone ? { event: { kind: "expired" }, due: null } : refused);
  return undefined;
}
