import { DurableObject } from "cloudflare:workers";
import { parseConfig } from "../config.ts";
import { type Dependencies, createDependencies } from "../dependencies.ts";
import { checkLimits, rateStatus } from "../domain/ledger.ts";
import { type ReservationOutcome, type ReservationRequest, recall } from "../domain/reservation.ts";
import { type UploadEvent, type UploadState, advance, isLive, isUnwanted } from "../domain/upload.ts";
import { uploadEvent } from "../domain/upload-event.ts";
import type { Attempt, Comparison, EventQuery, StreamVideo, UploadQuery, VideoPage } from "../usecases/ports.ts";
import { publishEvents } from "../usecases/publish-events.ts";
import { type DueUpload, type Finding, settleDueUploads } from "../usecases/settle-due-uploads.ts";
import { LedgerQueries } from "./ledger-queries.ts";
import type { UploadRow } from "./ledger-schema.ts";
import { LedgerStore, type UploadChange } from "./ledger-store.ts";
import { OutboxStore } from "./outbox-store.ts";
import {
  DUE_AFTER_EXPIRY_SECONDS,
  type StoredUpload,
  adoptedRow,
  progressOf,
  reservedRow,
  shortJson,
  storedUpload,
} from "./upload-rows.ts";

/** Whoever cancels an upload has its video deleted at once; if that does not happen, it is done here. */
const DUE_AFTER_CANCEL_SECONDS = 30;
/** Each is a call to Stream or two; the rest is done by the next alarm. */
const DUE_PER_ALARM = 20;
/** After an alarm that failed. */
const RETRY_SECONDS = 60;
/** Events are handed over at once; if that does not happen, after so long. */
const PUBLISH_RETRY_SECONDS = 5;
/** Handed over at a time. */
const PUBLISH_BATCH = 50;

/**
 * The ledger of one tenant: what it has reserved and uploaded, what that counts for, and what its endpoints are to be told.
 * An object runs one event at a time, and a method without `await` is one event: each of these is one transaction, and is
 * on disk before it is answered.
 */
export class TenantLedger extends DurableObject<Env> {
  readonly #store: LedgerStore;
  readonly #uploads: LedgerQueries;
  readonly #outbox: OutboxStore;
  readonly #tenant: string;
  /** Milliseconds since the epoch. */
  #alarmAt: number | null = null;
  #publishing = false;
  #dependencies: Dependencies | undefined;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    // Ledgers are reached by their tenant's name only.
    this.#tenant = state.id.name ?? "";
    this.#store = new LedgerStore(state.storage);
    this.#uploads = new LedgerQueries(state.storage.sql);
    this.#outbox = new OutboxStore(state.storage.sql, this.#tenant);
    void state.blockConcurrencyWhile(async () => {
      this.#alarmAt = await state.storage.getAlarm();
    });
  }

  /** Nothing that was decided by an older version of the tenant is accepted any more. */
  learn(version: number, hasEndpoints: boolean): void {
    this.#store.transaction(() => this.#store.learn(version, hasEndpoints));
  }

  /** Reserves a place for an upload, or says why there is none. */
  reserve(request: ReservationRequest): ReservationOutcome {
    return this.#store.transaction(() => this.#reserve(request, now()));
  }

  #reserve(request: ReservationRequest, time: number): ReservationOutcome {
    if (request.version < this.#store.version) return { kind: "stale" };

    const { idempotency, limits, creator } = request;
    const earlier = idempotency && this.#uploads.byIdempotency(idempotency.key);
    const known = idempotency && earlier && recall(idempotency, earlier, time);
    if (known) return known;

    const standing = this.#uploads.standing(limits, creator, this.#store.totals(time));
    const refusal = checkLimits(limits, standing, request, time);
    if (refusal) return { kind: "refused", problem: refusal };

    // Its URL is dead; the key goes over to the new one.
    if (earlier) this.#store.change(earlier, { idempotency: null }, time);
    this.#store.insert(reservedRow(request, time), time);
    this.#wakeAt(request.expires + DUE_AFTER_EXPIRY_SECONDS);
    const rate = rateStatus(limits, standing, time);
    return { kind: "reserved", ...(rate && { rate }) };
  }

  /** The reservation has become an upload URL. False: it is no longer one, and the URL must not be handed out. */
  attach(id: string, uid: string, location: string): boolean {
    return this.#store.transaction(() => {
      const row = this.#uploads.byId(id);
      if (!row) return false;
      const issued = this.#apply(row, { kind: "issued", uid }, { location });
      return isLive(issued.state);
    });
  }

  /** There is certainly no video: nothing is held any longer, and the same creation may come again. */
  release(id: string): void {
    this.#store.transaction(() => {
      const row = this.#uploads.byId(id);
      if (row?.state === "reserved") this.#store.delete(row, now());
      else if (row && row.uid === null && isUnwanted(row.state)) this.#store.change(row, { due: null }, now());
    });
  }

  /** Nobody knows whether there is a video: the reservation stays until it can be asked for. */
  leaveUnknown(id: string): void {
    this.#store.transaction(() => {
      const row = this.#uploads.byId(id);
      if (row) this.#apply(row, { kind: "lost" });
    });
  }

  usage() {
    return this.#store.totals(now());
  }

  find(idOrUid: string): StoredUpload | undefined {
    const row = this.#find(idOrUid);
    return row && storedUpload(row);
  }

  list(query: UploadQuery): { readonly uploads: readonly StoredUpload[]; readonly cursor?: string } {
    const { rows, cursor } = this.#uploads.list(query);
    return { uploads: rows.map(storedUpload), ...(cursor !== undefined && { cursor }) };
  }

  storage(creator: string | undefined): { readonly seconds: number; readonly videos: number } {
    if (creator !== undefined) return this.#uploads.storageOf(creator);
    const { storedSeconds, videos } = this.usage();
    return { seconds: storedSeconds, videos };
  }

  /** The upload is cancelled, or deleted where it was ready; it holds nothing any longer, and its video has to go. */
  cancel(idOrUid: string): StoredUpload | undefined {
    return this.#store.transaction(() => {
      const row = this.#find(idOrUid);
      return row && storedUpload(isUnwanted(row.state) ? row : this.#apply(row, { kind: "cancelled" }));
    });
  }

  /** The video of an upload that nobody wants is no longer at Stream. */
  confirmGone(id: string): void {
    this.#store.transaction(() => {
      const row = this.#uploads.byId(id);
      if (row && isUnwanted(row.state)) this.#store.change(row, { due: null }, now());
    });
  }

  /** Takes in what Stream says of a video. False: none of these uploads is meant. */
  record(upstream: string, video: StreamVideo): boolean {
    return this.#store.transaction(() => {
      const row = this.#meant(upstream, video);
      if (row) this.#apply(row, { kind: "reported", report: video.report }, { video: shortJson(video.json) });
      return row !== undefined;
    });
  }

  /** Takes in all videos of a span of time; what is missing among them is looked for one by one. */
  compare(upstream: string, { from, to, videos }: VideoPage): Comparison {
    return this.#store.transaction(() => {
      let [settled, adopted, missing] = [0, 0, 0];
      for (const video of videos) {
        const row = this.#meant(upstream, video);
        if (row) {
          const { report, json } = video;
          if (this.#apply(row, { kind: "reported", report }, { video: shortJson(json) }).state !== row.state) settled++;
        } else if (this.#adopt(upstream, video)) adopted++;
      }
      const seen = new Set(videos.map(({ report }) => report.uid));
      for (const row of this.#uploads.expectedAt(upstream, from, to)) {
        if (row.uid === null || seen.has(row.uid)) continue;
        this.#store.change(row, { due: now() }, now());
        this.#wakeAt(now());
        missing++;
      }
      return { settled, adopted, missing };
    });
  }

  events(query: EventQuery) {
    return this.#outbox.list(query);
  }

  event(id: string) {
    return this.#outbox.find(id);
  }

  recordAttempt(id: string, attempt: Attempt): void {
    this.#outbox.recordAttempt(id, attempt);
  }

  /**
   * Hands over what has not been handed over, and finds out what became of uploads whose time is over. Alarms come at
   * least once, and give up after six failures; so this one never fails, and sets the next itself.
   */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    let retryAt: number | undefined;
    try {
      await this.#publish();
      retryAt = await settleDueUploads(this.#settling(), this.#tenant);
      this.#store.transaction(() => {
        this.#store.prune(now());
        this.#outbox.prune(now());
      });
    } catch (error) {
      console.error(`A ledger's alarm failed: ${error instanceof Error ? error.message : String(error)}`);
      retryAt = now() + RETRY_SECONDS;
    }
    const nextDue = this.#uploads.nextDue();
    if (nextDue !== undefined) this.#wakeAt(Math.max(nextDue, retryAt ?? now() + 1));
  }

  #settling(): Parameters<typeof settleDueUploads>[0] {
    const { registry, stream, budget } = this.#use();
    const settle = (asked: DueUpload, { event, video, due }: Finding) =>
      this.#store.transaction(() => {
        const row = this.#uploads.byId(asked.id);
        if (!row) return;
        // While Stream was asked, others may have had their turn: then what is due is theirs to say.
        const next = row.state === asked.state ? { due } : {};
        const seen = video && "json" in video ? { video: shortJson(video.json) } : {};
        if (event) this.#apply(row, event, { ...seen, ...next });
        else this.#store.change(row, next, now());
      });
    return { registry, stream, budget, settle, now, due: () => this.#uploads.due(now(), DUE_PER_ALARM) };
  }

  /** Hands events to the queue; where that does not succeed, sooner or later the alarm does it. */
  async #publish(): Promise<void> {
    if (this.#publishing || !this.#outbox.hasAfter(this.#store.published)) return;
    this.#publishing = true;
    try {
      const done = await publishEvents(
        {
          registry: this.#use().registry.latest,
          deliveries: this.#use().deliveries,
          unpublished: () => this.#outbox.after(this.#store.published, PUBLISH_BATCH),
          published: (last) => this.#store.transaction(() => this.#store.notePublished(last)),
        },
        this.#tenant,
      );
      if (!done) this.#wakeAt(now() + RETRY_SECONDS);
    } finally {
      this.#publishing = false;
    }
  }

  #use(): Dependencies {
    this.#dependencies ??= createDependencies(this.env, parseConfig(this.env));
    return this.#dependencies;
  }

  #find(idOrUid: string): UploadRow | undefined {
    return this.#uploads.byId(idOrUid) ?? this.#uploads.byUid(idOrUid);
  }

  /** The upload that a video belongs to, if what it says of itself agrees with what is known here. */
  #meant(upstream: string, { tag, report }: StreamVideo): UploadRow | undefined {
    const row = (tag && this.#uploads.byId(tag.uploadId)) ?? this.#uploads.byUid(report.uid);
    return row?.upstream === upstream && (row.uid ?? report.uid) === report.uid ? row : undefined;
  }

  /** An upload after an event; what its endpoints are to be told of it is written with it. */
  #apply(row: UploadRow, event: UploadEvent, more: UploadChange = {}): UploadRow {
    const { state, bytes, seconds, uid = null, failure = null } = advance(progressOf(row), event);
    const change = {
      due: dueAfter(row, event, state),
      location: row.location,
      ...more,
      state,
      bytes,
      seconds,
      uid,
      failure,
    };
    const changed = this.#store.change(row, isLive(state) ? change : { ...change, location: null }, now());
    if (changed.due !== null && changed.due !== row.due) this.#wakeAt(changed.due);
    if (state !== row.state) this.#tell(changed);
    return changed;
  }

  /** Brings in a video that carries this tenant's tag, and of which nothing is known. */
  #adopt(upstream: string, video: StreamVideo): boolean {
    const row = video.tag?.tenant === this.#tenant && adoptedRow(upstream, video, now());
    if (!row) return false;
    this.#store.insert(row, now());
    if (row.due !== null) this.#wakeAt(row.due);
    this.#tell(row);
    return true;
  }

  /** Keeps an event for the endpoints, if there are any, and has it handed over. */
  #tell(row: UploadRow): void {
    const body = this.#store.hasEndpoints && uploadEvent(this.#tenant, storedUpload(row), now());
    if (!body) return;
    this.#outbox.add(body, now());
    this.#wakeAt(now() + PUBLISH_RETRY_SECONDS);
    // Once it is on disk; should it fail, the alarm does it again and says why.
    this.ctx.waitUntil(
      Promise.resolve()
        .then(() => this.#publish())
        .catch(() => undefined),
    );
  }

  /** Sets the alarm, unless an earlier one is set: within the same transaction as what it is for. */
  #wakeAt(seconds: number): void {
    const milliseconds = seconds * 1000;
    if (this.#alarmAt !== null && this.#alarmAt <= milliseconds) return;
    this.#alarmAt = milliseconds;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(milliseconds));
  }
}

/** When something has to be done about an upload at Stream, after an event has brought it to a state. */
function dueAfter(row: UploadRow, event: UploadEvent, state: UploadState): number | null {
  if (isLive(state)) return row.due;
  if (!isUnwanted(state)) return null;
  switch (event.kind) {
    case "cancelled":
      // While the creation is on its way, there is nothing to be found yet.
      return row.state === "reserved" ? row.due : now() + DUE_AFTER_CANCEL_SECONDS;
    case "issued":
    case "lost":
      return now();
    case "reported":
      return event.report.kind === "absent" ? null : now();
    case "expired":
      return row.due;
    default:
      return event satisfies never;
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
