import { BACKGROUND_TENANT } from "../budget/rules/call-window.ts";
import type { Budget } from "../ports/budget.ts";
import type { Registry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import { BASIC_UPLOAD_MAX_BYTES } from "./rules/direct-upload.ts";
import { type DueUpload, type DueOutcome, deletionPause } from "./rules/due-upload.ts";
import { type UnfinishedUploads, decideDueAction } from "./rules/upload-state.ts";

export interface SettleDuePorts {
  readonly registry: Pick<Registry, "tenant" | "upstream">;
  readonly stream: StreamApi;
  readonly budget: Budget;
  /** Some due uploads, but none of these upstreams. */
  readonly due: (except: readonly string[]) => readonly DueUpload[];
  /** Called before each upload, which may take half a minute: lets lost creations end in time. */
  readonly beforeEach: () => void;
  readonly settle: (upload: DueUpload, outcome: DueOutcome) => void;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/**
 * Stops starting further uploads: an alarm has 15 minutes, and each upload may take three calls with a deadline. The next
 * alarm continues.
 */
const MAX_RUN_SECONDS = 60;

/** First interval between two checks of a video that is still being processed, or of a Stream that does not answer. */
const MIN_PAUSE_SECONDS = 60;

/**
 * Longest interval between two checks. A hundred such videos take 17 calls of the budget in 5 minutes; Stream usually
 * reports the result by itself.
 */
const MAX_PAUSE_SECONDS = 1_800;

/**
 * Grace period for uploads still running after their URL expired, should Stream let them (assumed: it answers 410). Also how long to wait for a
 * Stream that does not answer, or for an account that is not configured, which may be a temporary mistake. The
 * reconciliation finds a video that turns up later.
 */
const GRACE_PERIOD_SECONDS = 6 * 60 * 60;

/**
 * Interval between two checks of such a running upload. Long, since a HEAD may take the upload's lock and abort the PATCH
 * in progress (assumed: `@tus/server` does; clients then resume by themselves).
 */
const RUNNING_RETRY_SECONDS = 1_800;

/** A form may start just before its basic link expires. The largest, at 1 Mbit/s, takes 27 minutes. */
const MAX_FORM_SECONDS = 1_800;

/**
 * Checks the due uploads, mostly those whose URL has expired, at Stream and settles each by the result: Stream sends no
 * notification for unfinished uploads. Also deletes videos whose deletion was requested and has not succeeded yet.
 *
 * Runs in the background: it takes only calls that the tenants leave in the budget.
 *
 * @returns the upstreams whose budget has no calls left, and when it has some again (seconds since the epoch)
 */
export async function settleDueUploads(ports: SettleDuePorts, tenantId: string): Promise<ReadonlyMap<string, number>> {
  const exhausted = new Map<string, number>();
  let uploads = ports.due([]);
  if (uploads.length === 0) return exhausted;
  const tenant = await ports.registry.tenant(tenantId);
  // Unfinished videos of a deleted tenant are deleted.
  const unfinished = tenant.ok ? (tenant.value?.unfinishedUploads ?? "delete") : undefined;

  const startedAt = ports.now();
  // Exhausted upstreams must not keep the others waiting.
  for (; uploads.length > 0; uploads = ports.due([...exhausted.keys()])) {
    for (const upload of uploads) {
      if (ports.now() - startedAt > MAX_RUN_SECONDS) return exhausted;
      if (exhausted.has(upload.upstream)) continue;
      ports.beforeEach();
      const upstream = await ports.registry.upstream(upload.upstream);
      const account = upstream.ok ? upstream.value : undefined;
      if (unfinished && account) {
        const waitSeconds = await settleUpload(ports, upload, account, unfinished);
        if (waitSeconds !== undefined) exhausted.set(upload.upstream, ports.now() + waitSeconds);
      } else if (upstream.ok && !account)
        // The account is no longer configured, so the video cannot be read.
        ports.settle(upload, onNoAnswer(upload, ports.now()));
      else ports.settle(upload, { due: nextCheck(upload, ports.now()) });
    }
  }
  return exhausted;
}

/** @returns seconds to wait, if the budget refuses a call */
async function settleUpload(
  ports: SettleDuePorts,
  upload: DueUpload,
  upstream: Upstream,
  unfinished: UnfinishedUploads,
): Promise<number | undefined> {
  const now = ports.now();
  if (upload.deletionRequested) return deleteVideo(ports, upload, upstream);

  const call = await ports.budget.acquire(upstream, BACKGROUND_TENANT, "background");
  if (!call.granted) return call.retryAfterSeconds;
  const video = await ports.stream.video(upstream, upload.uid);
  if (!video) {
    ports.settle(upload, onNoAnswer(upload, now));
    return undefined;
  }
  const { report } = video;
  const runningCheck = report.kind === "pending" ? await nextCheckOfRunning(ports.stream, upload, now) : undefined;
  const urlIsDead = upload.hasUrl && upload.expires < now && runningCheck === undefined;
  const action = report.kind === "absent" ? "settle" : decideDueAction(report, urlIsDead, unfinished);
  if (action === "delete") return deleteVideo(ports, upload, upstream);
  ports.settle(upload, {
    transition: action === "expire" ? { kind: "expired" } : { kind: "reported", report },
    video,
    due: action === "wait" ? (runningCheck ?? nextCheck(upload, now)) : null,
  });
  return undefined;
}

/**
 * When to check an upload again that may still be running although its URL should have expired.
 *
 * @returns `undefined` if it is not running
 */
async function nextCheckOfRunning(
  stream: StreamApi,
  { location, bytes, expires }: DueUpload,
  now: number,
): Promise<number | undefined> {
  if (location === null || now <= expires || now > expires + GRACE_PERIOD_SECONDS) return undefined;
  // Only basic links reserve this size, and a form's progress cannot be read. A tus upload of this size just waits longer.
  if (bytes === BASIC_UPLOAD_MAX_BYTES && now < expires + MAX_FORM_SECONDS) return expires + MAX_FORM_SECONDS;
  const state = await stream.uploadUrlState(location);
  return state === "in use" || state === "unclear" ? now + RUNNING_RETRY_SECONDS : undefined;
}

/** @returns seconds to wait, if the budget refuses the call */
async function deleteVideo(
  { budget, stream, settle, now }: SettleDuePorts,
  upload: DueUpload,
  upstream: Upstream,
): Promise<number | undefined> {
  const call = await budget.acquire(upstream, BACKGROUND_TENANT, "background");
  if (!call.granted) return call.retryAfterSeconds;
  const deleted = await stream.deleteVideo(upstream, upload.uid);
  settle(upload, deleted ? { transition: { kind: "expired" }, due: null } : onDeletionFailed(upload, now()));
  return undefined;
}

function onDeletionFailed(upload: DueUpload, now: number): DueOutcome {
  return upload.deletionRequested ? { deletionFailed: true, due: nextCheck(upload, now) } : onNoAnswer(upload, now);
}

/** Checks again later; after the grace period, expires the upload, so that it stops holding quota. */
function onNoAnswer(upload: DueUpload, now: number): DueOutcome {
  return now > upload.expires + GRACE_PERIOD_SECONDS
    ? { transition: { kind: "expired" }, due: null }
    : { due: nextCheck(upload, now) };
}

/**
 * A requested deletion has its own pauses, and is retried until it succeeds. Any other check waits as long again as the URL has
 * been expired, between the minimum and maximum pause: the intervals double.
 */
function nextCheck({ deletionRequested, failedDeletions, expires }: DueUpload, now: number): number {
  if (deletionRequested) return now + deletionPause(failedDeletions + 1);
  return Math.max(now, expires) + Math.min(Math.max(now - expires, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS);
}
