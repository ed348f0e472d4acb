import { DurableObject } from "cloudflare:workers";
import { parseConfig } from "../../config.ts";
import { type Dependencies, createDependencies } from "../../dependencies.ts";
import { errorMessage } from "../../core/shared/text.ts";
import type { ReleaseCause, ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { EventQuery } from "../../core/webhooks/rules/delivery.ts";
import type { VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import type { UploadQuery } from "../../core/uploads/rules/upload-record.ts";
import type { StreamVideo } from "../../core/stream/rules/video.ts";
import { publishEvents } from "../../core/webhooks/publish-events.ts";
import { settleDueUploads } from "../../core/uploads/settle-due-uploads.ts";
import { Ledger } from "./ledger.ts";
import { storedUpload } from "./row-mapping.ts";
import {
  type StoredUpload,
  type StoredAttempt,
  type StoredComparison,
} from "../../adapters/durable-objects/ledger-rpc.ts";

/** Each is mostly a call to Stream or two; the rest is done by the next alarm. */
const DUE_PER_ALARM = 20;

/** After an alarm that failed. */
const RETRY_SECONDS = 60;

/**
 * An alarm that is so late does not come any more: one that fails is tried again for two minutes. Until then it may be about to
 * come, or running.
 */
const LOST_ALARM_SECONDS = 300;

/** Events are handed over at once; if that does not happen, after so long. */
const PUBLISH_RETRY_SECONDS = 5;

/** Handed over at a time. */
const PUBLISH_BATCH = 50;

/**
 * The ledger of one tenant: what it has reserved and uploaded, what that counts for, and what its endpoints are to be told.
 * An object runs one event at a time, and a method without `await` is one event: each of these is one transaction, and is
 * on disk before it is answered.
 *
 * A creation waits for two such writes before its answer, and neither can go: without `reserve` a retry would make a second
 * video, and a crash lose count; without `attach` an upload that was acknowledged could be lost. They are one row each and its
 * indexes; every 64th writes the totals too, so that few uploads have to be counted when the object starts. Beside `reserve`,
 * every 32nd waits for a row of the budget: without it, a restart would forget calls that Stream has counted.
 */
export class TenantLedger extends DurableObject<Env> {
  readonly #book: Ledger;
  readonly #tenant: string;
  /** Milliseconds since the epoch. */
  #alarmAt: number | null = null;
  #publishing = false;
  #dependencies: Dependencies | undefined;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    if (state.id.name === undefined) throw new Error("A ledger is reached by its tenant's name only.");
    this.#tenant = state.id.name;
    this.#book = new Ledger(state.storage, this.#tenant, {
      now,
      scheduleAlarm: (seconds) => this.#wakeAt(seconds),
      onTransactionStart: () => this.#rememberAlarm(),
      onEventQueued: () => this.#publishSoon(),
    });
    void state.blockConcurrencyWhile(async () => {
      this.#resume(await state.storage.getAlarm());
    });
  }

  /** Nothing that was decided by an older version of the tenant is accepted any more. */
  learn(version: number, hasEndpoints: boolean): void {
    const { store } = this.#book;
    store.transaction(() => store.learn(version, hasEndpoints));
  }

  /**
   * Reserves a place for an upload, or says why there is none: a `ReservationOutcome`, as JSON. For an answer that is an object,
   * both sides of a call keep something that further calls could be made on; every creation waits for this one.
   */
  reserve(request: ReservationRequest): string {
    return JSON.stringify(this.#book.reserve(request));
  }

  /** The reservation has become an upload URL. False: it is no longer one, and the URL must not be handed out. */
  attach(id: string, uid: string, location: string): boolean {
    return this.#book.attach(id, uid, location);
  }

  /** There is certainly no video: nothing is held any longer, and the same creation may come again. */
  release(id: string, cause: ReleaseCause): void {
    this.#book.release(id, cause);
  }

  /** Nobody knows whether there is a video: the reservation stays until it can be asked for. */
  leaveUnknown(id: string): void {
    this.#book.markUnknown(id);
  }

  /** There is a video, whose URL cannot be handed out: nothing is held any longer, and the video has to go. */
  discard(id: string, uid: string): void {
    this.#book.cancelOrphaned(id, uid);
  }

  usage() {
    return this.#book.store.totals(now());
  }

  find(idOrUid: string): StoredUpload | undefined {
    const row = this.#book.find(idOrUid);
    return row && storedUpload(row);
  }

  list(query: UploadQuery): { readonly uploads: readonly StoredUpload[]; readonly cursor?: string } {
    const { rows, cursor } = this.#book.uploads.list(query);
    return { uploads: rows.map(storedUpload), ...(cursor !== undefined && { cursor }) };
  }

  storage(creator: string | undefined): { readonly seconds: number; readonly videos: number } {
    if (creator !== undefined) return this.#book.uploads.storageOf(creator);
    const { storedSeconds, videos } = this.usage();
    return { seconds: storedSeconds, videos };
  }

  /** The upload is cancelled, or deleted where it was ready; it holds nothing any longer, and its video has to go. */
  cancel(id: string, version: number): StoredUpload | "stale" | undefined {
    const row = this.#book.cancel(id, version);
    return row === "stale" ? row : row && storedUpload(row);
  }

  /** The video of an upload that nobody wants is no longer at Stream. */
  confirmGone(id: string): void {
    this.#book.confirmVideoDeleted(id);
  }

  /** Takes in what Stream says of a video. False: none of these uploads is meant. */
  record(upstream: string, video: StreamVideo): boolean {
    return this.#book.recordVideo(upstream, video);
  }

  /** Takes in all videos of a span of time; what is missing among them is looked for one by one. */
  compare(upstream: string, page: VideoPage): StoredComparison {
    return this.#book.reconcile(upstream, page);
  }

  events(query: EventQuery) {
    return this.#book.outbox.list(query);
  }

  event(id: string) {
    return this.#book.outbox.find(id);
  }

  recordAttempt(id: string, attempt: StoredAttempt): void {
    this.#book.outbox.recordAttempt(id, attempt);
  }

  /**
   * Hands over what has not been handed over, and finds out what became of uploads whose time is over. Alarms come at
   * least once, and give up after six failures; so this one never fails, and sets the next itself.
   */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    const { store, outbox } = this.#book;
    let retryAt: number | undefined;
    try {
      await this.#publish();
      retryAt = await this.#settleDue();
      store.transaction(() => {
        store.prune(now());
        outbox.prune(now());
      });
    } catch (error) {
      console.error(`A ledger's alarm failed: ${errorMessage(error)}`);
      retryAt = now() + RETRY_SECONDS;
    }
    this.#wakeForWork(retryAt ?? now() + 1);
  }

  /** Goes on with the alarm that is set. One that was lost is set anew: nothing else would wake a ledger that rests. */
  #resume(alarmAt: number | null): void {
    const lost = now() - LOST_ALARM_SECONDS;
    if (alarmAt !== null && alarmAt > lost * 1000) {
      this.#alarmAt = alarmAt;
      return;
    }
    // An alarm that is running is not one that is set; it sets the next by itself.
    const nextDue = this.#book.uploads.nextDue();
    const isRunning = nextDue !== undefined && nextDue > lost && nextDue <= now();
    if (!isRunning) this.#wakeForWork(now() + RETRY_SECONDS);
  }

  /** Sets the alarm for what is to be done, where there is anything; for uploads no earlier than that. */
  #wakeForWork(earliest: number): void {
    const { store, uploads, outbox } = this.#book;
    // Also what is being handed over at this moment: should that come to nothing, there would be no other alarm.
    if (outbox.hasAfter(store.published)) this.#wakeAt(now() + RETRY_SECONDS);
    const nextDue = uploads.nextDue();
    if (nextDue !== undefined) this.#wakeAt(Math.max(nextDue, earliest));
  }

  #settleDue(): Promise<number | undefined> {
    const { registry, stream, budget } = this.#use();
    const due = () => this.#book.uploads.due(now(), DUE_PER_ALARM);
    const settle = this.#book.settle.bind(this.#book);
    return settleDueUploads({ registry, stream, budget, due, settle, now }, this.#tenant);
  }

  /** Once it is on disk; should it fail, the alarm does it again and says why. */
  #publishSoon(): void {
    this.#wakeAt(now() + PUBLISH_RETRY_SECONDS);
    this.ctx.waitUntil(
      Promise.resolve()
        .then(() => this.#publish())
        .catch(() => undefined),
    );
  }

  /** Hands events to the queue; where that does not succeed, the alarm tries again. */
  async #publish(): Promise<void> {
    const { store, outbox } = this.#book;
    if (this.#publishing || !outbox.hasAfter(store.published)) return;
    this.#publishing = true;
    try {
      const { registry, deliveries } = this.#use();
      const unpublished = () => outbox.after(store.published, PUBLISH_BATCH);
      const published = (last: number) => store.transaction(() => store.notePublished(last));
      const ports = { registry: registry.uncached, deliveries, unpublished, published };
      if (!(await publishEvents(ports, this.#tenant))) this.#wakeAt(now() + RETRY_SECONDS);
    } finally {
      this.#publishing = false;
    }
  }

  #use(): Dependencies {
    this.#dependencies ??= createDependencies(this.env, parseConfig(this.env));
    return this.#dependencies;
  }

  /** An alarm that was set in a transaction goes with it where it fails. */
  #rememberAlarm(): () => void {
    const alarmAt = this.#alarmAt;
    return () => {
      this.#alarmAt = alarmAt;
    };
  }

  /** Sets the alarm, unless an earlier one is set: within the same transaction as what it is for. */
  #wakeAt(seconds: number): void {
    const milliseconds = seconds * 1000;
    if (this.#alarmAt !== null && this.#alarmAt <= milliseconds) return;
    this.#alarmAt = milliseconds;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(milliseconds));
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
