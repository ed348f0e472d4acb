import { DurableObject } from "cloudflare:workers";
import type { StoredAttempt, StoredComparison, StoredUpload } from "../../adapters/durable-objects/ledger-rpc.ts";
import { parseConfig } from "../../config.ts";
import type { LimitUse, RequestedUpload } from "../../core/quota/rules/check-limits.ts";
import type { Limits } from "../../core/quota/rules/limits.ts";
import type { CreatorUsage, Usage } from "../../core/quota/rules/usage-totals.ts";
import type { EditEnd, EditStart } from "../../core/quota/rules/edit-reservation.ts";
import type { ReleaseCause, ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import { errorMessage } from "../../core/shared/text.ts";
import type { StreamVideo } from "../../core/stream/rules/video.ts";
import type { VideoJson } from "../../core/stream/rules/video-document.ts";
import type { CreatorFilter, UploadQuery } from "../../core/uploads/rules/upload-record.ts";
import { settleDueUploads } from "../../core/uploads/settle-due-uploads.ts";
import type { EventQuery } from "../../core/webhooks/rules/delivery.ts";
import { type LedgerDependencies, createLedgerDependencies } from "../../dependencies.ts";
import { AlarmClock } from "./alarm-clock.ts";
import { Ledger } from "./ledger.ts";
import { storedComparison, storedUpload } from "./row-mapping.ts";
import { TagVerifier } from "./tag-verifier.ts";

/** Due uploads per read. */
const DUE_BATCH = 20;

/** Pause after a failed alarm, and before publishing is tried again. */
const RETRY_SECONDS = 60;

/** Events are published right after the commit; the alarm does it after this time if that failed. */
const PUBLISH_RETRY_SECONDS = 5;

/**
 * The ledger of one tenant: its uploads, their totals, and its events. An object runs one event at a time, and a method
 * without `await` runs as one event: each of these methods is one transaction, and its writes are on disk before its answer
 * leaves. What Stream reports has its tags verified before its transaction.
 *
 * A creation waits for two writes, and needs both: without `reserve` a retry would create a second video, and a crash would
 * lose the count; without `attach` an acknowledged upload could be lost. Each writes one row and its indexes; every 64th
 * also writes the totals, so that few uploads have to be counted when the object starts. In parallel with `reserve`, every
 * 32nd creation waits for a row of the budget: without it, a restart would forget calls that Stream has counted.
 *
 * Workers and objects of neighbouring versions call each other during a deployment: method names and arguments stay.
 */
export class TenantLedger extends DurableObject<Env> {
  readonly #ledger: Ledger;
  readonly #tenant: string;
  readonly #alarm: AlarmClock;
  readonly #verifier: TagVerifier;
  #dependencies: LedgerDependencies | undefined;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    if (state.id.name === undefined) throw new Error("A ledger needs a name.");
    this.#tenant = state.id.name;
    this.#alarm = new AlarmClock(state);
    this.#ledger = new Ledger(state.storage, this.#tenant, {
      now,
      scheduleAlarm: (seconds) => this.#alarm.schedule(seconds),
      onTransactionStart: () => this.#alarm.remember(),
      onEventQueued: () => this.#publishSoon(),
    });
    this.#verifier = new TagVerifier(this.#tenant, (uid) => this.#ledger.find(uid) !== undefined, this.#use);
    void state.blockConcurrencyWhile(async () => {
      if (this.#alarm.isLost(await state.storage.getAlarm(), now(), this.#ledger.nextDue()))
        this.#scheduleWork(now() + RETRY_SECONDS);
    });
  }

  /** Makes decisions based on an older version of the tenant stale, and stores events if it has endpoints. */
  learn(version: number, hasEndpoints: boolean): void {
    this.#ledger.syncTenantVersion(version, hasEndpoints);
  }

  /**
   * Reserves an upload, or refuses it. @returns a `ReservationOutcome` as JSON: for an object, both sides of the call would
   * keep state for further calls on it, and every creation waits for this answer
   */
  reserve(request: ReservationRequest): string {
    return JSON.stringify(this.#ledger.reserve(request));
  }

  /** `reserve` of a copy or a clip, which an object of the version before would take for an upload. */
  reserveVideo(request: ReservationRequest): string {
    return this.reserve(request);
  }

  /** Turns a reservation into an upload URL. @returns false if it is no longer reserved: do not hand out the URL */
  attach(id: string, uid: string, location: string): boolean {
    return this.#ledger.attach(id, uid, location);
  }

  /** `attach` of a copy or a clip, which has no upload URL. @param video as Stream describes it */
  attachVideo(id: string, uid: string, video: VideoJson): boolean {
    return this.#ledger.attachVideo(id, uid, video);
  }

  /** There is certainly no video: removes the reservation and frees its idempotency key. */
  release(id: string, cause: ReleaseCause): void {
    this.#ledger.release(id, cause);
  }

  leaveUnknown(id: string): void {
    this.#ledger.markUnknown(id);
  }

  /** Stream made a video whose URL cannot be handed out: cancels the upload and makes the deletion of the video due. */
  discard(id: string, uid: string): void {
    this.#ledger.cancelOrphaned(id, uid);
  }

  usage() {
    return this.#ledger.usage.totals();
  }

  /** @param start of a month, in seconds since the epoch; undefined if its totals are not known */
  usageOfMonth(start: number): Usage | undefined {
    return this.#ledger.usage.ofMonth(start);
  }

  usageOfCreator(creator: string, more: CreatorFilter = {}): CreatorUsage {
    return this.#ledger.usage.ofCreator({ ...more, creator });
  }

  limitUses(limits: Limits, upload: RequestedUpload): LimitUse[] {
    return this.#ledger.limitUses(limits, upload);
  }

  deletionsPending(): number {
    return this.#ledger.countPendingDeletions();
  }

  find(idOrUid: string): StoredUpload | undefined {
    const row = this.#ledger.find(idOrUid);
    return row && storedUpload(row);
  }

  /** `find`, unless the caller's version of the tenant is older than the ledger's. */
  findCurrent(idOrUid: string, version: number): StoredUpload | "stale" | undefined {
    return this.#ledger.isStale(version) ? "stale" : this.find(idOrUid);
  }

  list(query: UploadQuery): { readonly uploads: readonly StoredUpload[]; readonly cursor?: string } {
    const { rows, cursor } = this.#ledger.list(query);
    return { uploads: rows.map(storedUpload), ...(cursor !== undefined && { cursor }) };
  }

  /** `list`, for a filter by video: an object of the version before would ignore it. */
  listVideos(query: UploadQuery) {
    return this.list(query);
  }

  storage(creator: string | undefined, more: CreatorFilter = {}) {
    return this.#ledger.usage.storage(creator === undefined ? {} : { ...more, creator });
  }

  /**
   * Cancels the upload, or deletes it if it was ready, and makes the deletion of its video due.
   *
   * @param unfinishedOnly does nothing to a finished upload, unless its deletion was requested before
   */
  cancel(id: string, version: number, unfinishedOnly = false): StoredUpload | "stale" | "finished" | undefined {
    const row = this.#ledger.cancel(id, version, unfinishedOnly);
    return typeof row === "string" ? row : row && storedUpload(row);
  }

  /** @returns an `EditStartOutcome` as JSON */
  beginEdit(edit: EditStart): string {
    return JSON.stringify(this.#ledger.edits.begin(edit));
  }

  endEdit(id: string, end: EditEnd): StoredUpload | undefined {
    const row = this.#ledger.edits.end(id, end);
    return row && storedUpload(row);
  }

  confirmGone(id: string): void {
    this.#ledger.confirmVideoDeleted(id);
  }

  /** The request that asked Stream about an expiring upload has its answer, or gives up: others may ask. */
  stopAsking(id: string): void {
    this.#ledger.stopAsking(id);
  }

  expire(id: string): void {
    this.#ledger.expire(id);
  }

  lostCreations(upstream: string): readonly number[] {
    return this.#ledger.lostCreations(upstream);
  }

  async recordSearch(upstream: string, page: VideoPage): Promise<void> {
    this.#ledger.reports.recordSearch(upstream, await this.#verifier.verifyPage(page));
  }

  /** Applies a report from Stream. @returns false if it belongs to none of this tenant's uploads */
  async record(upstream: string, video: StreamVideo): Promise<boolean> {
    return this.#ledger.reports.record(upstream, await this.#verifier.verify(video));
  }

  /** Compares the uploads of a time span with all its videos at Stream, and makes uploads with a missing video due. */
  async compare(upstream: string, page: VideoPage): Promise<StoredComparison> {
    return storedComparison(this.#ledger.reports.reconcile(upstream, await this.#verifier.verifyPage(page)));
  }

  events(query: EventQuery) {
    return this.#ledger.listEvents(query);
  }

  event(id: string) {
    return this.#ledger.findEvent(id);
  }

  recordAttempt(id: string, attempt: StoredAttempt): void {
    this.#ledger.recordAttempt(id, attempt);
  }

  /**
   * Publishes events, also those that may be lost, and settles lost and due uploads. The platform runs an alarm at least once,
   * and stops after six failures, so this method never throws and sets the next alarm itself.
   */
  override async alarm(): Promise<void> {
    this.#alarm.stored(null);
    try {
      await this.#ledger.publisher.handOver(this.#use);
      await this.#publish();
      await this.#settleLost();
      const exhausted = await this.#settleDue();
      this.#ledger.prune();
      this.#scheduleWork(now() + 1, exhausted);
    } catch (error) {
      console.error(`The alarm of a ledger failed: ${errorMessage(error)}`);
      this.#scheduleWork(now() + RETRY_SECONDS);
    }
  }

  /**
   * Sets the alarm for pending work, if any. Times are seconds since the epoch.
   *
   * @param earliest for due uploads and events to be sent again
   * @param exhausted upstream id → when its uploads can be settled
   */
  #scheduleWork(earliest: number, exhausted: ReadonlyMap<string, number> = new Map()): void {
    // Includes events that are being published now: if that fails, no other alarm is set.
    if (this.#ledger.publisher.hasUnpublished()) this.#alarm.schedule(now() + RETRY_SECONDS);
    for (const at of [this.#ledger.publisher.nextHandover(), this.#ledger.nextDue([...exhausted.keys()])])
      if (at !== undefined) this.#alarm.schedule(Math.max(at, earliest));
    for (const at of exhausted.values()) this.#alarm.schedule(at);
  }

  /** Asks the upstreams' budgets to search for lost videos; they do so for all tenants together. */
  async #settleLost(): Promise<void> {
    this.#ledger.settleLost();
    for (const upstream of this.#ledger.startSearch()) {
      const isAsked = await this.#use().searches.request(upstream, this.#tenant);
      if (!isAsked) this.#alarm.schedule(now() + RETRY_SECONDS);
    }
  }

  #settleDue(): Promise<ReadonlyMap<string, number>> {
    const { registry, stream, budget } = this.#use();
    const due = (except: readonly string[]) => this.#ledger.dueUploads(DUE_BATCH, except);
    const settle = this.#ledger.settle.bind(this.#ledger);
    const beforeEach = () => this.#ledger.settleLost();
    return settleDueUploads({ registry, stream, budget, due, beforeEach, settle, now }, this.#tenant);
  }

  /** Publishes after the current event, once its writes are on disk. If that fails, the alarm tries again and logs why. */
  #publishSoon(): void {
    this.#alarm.schedule(now() + PUBLISH_RETRY_SECONDS);
    this.ctx.waitUntil(
      Promise.resolve()
        .then(() => this.#publish())
        .catch(() => undefined),
    );
  }

  /** Sends unpublished events to the queue; if that fails, the alarm tries again. */
  async #publish(): Promise<void> {
    if (!(await this.#ledger.publisher.publish(this.#use))) this.#alarm.schedule(now() + RETRY_SECONDS);
  }

  /** Created on first use: creations need none of it. */
  readonly #use = (): LedgerDependencies => {
    this.#dependencies ??= createLedgerDependencies(this.env, parseConfig(this.env));
    return this.#dependencies;
  };
}

/** Seconds since the epoch. */
function now(): number {
  return Math.floor(Date.now() / 1000);
}
