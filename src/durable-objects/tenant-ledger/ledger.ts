import type { StoredComparison } from "../../adapters/durable-objects/ledger-rpc.ts";
import { type CurrentUsage, checkLimits, rateStatus, rateUses } from "../../core/quota/rules/check-limits.ts";
import {
  type ReleaseCause,
  type ReservationOutcome,
  type ReservationRequest,
} from "../../core/quota/rules/reservation.ts";
import { resolveIdempotency } from "../../core/quota/rules/idempotency.ts";
import { type UploadTransition, transition, isMissingUpstream, isLive } from "../../core/uploads/rules/upload-state.ts";
import { uploadEvent } from "../../core/webhooks/rules/upload-event.ts";
import type { VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import type { StreamVideo } from "../../core/stream/rules/video.ts";
import { type DueUpload, type DueOutcome, dueAfter } from "../../core/uploads/rules/due-upload.ts";
import { LedgerQueries } from "./queries.ts";
import type { NewUpload, UploadRow } from "./schema.ts";
import { LedgerStore } from "./store.ts";
import {
  type UploadChange,
  importedUpload,
  progressColumns,
  progressOf,
  reservedUpload,
  shortJson,
  storedUpload,
} from "./row-mapping.ts";
import { OutboxStore } from "./outbox.ts";
import { RecentCreations } from "./recent-creations.ts";

/** What a book asks of the object that it is kept in. */
export interface LedgerHost {
  /** To be woken no later than that; seconds since the epoch. */
  scheduleAlarm(seconds: number): void;
  /** A transaction begins; what is given back is called where it fails, and with it the alarm is as it was before. */
  onTransactionStart(): () => void;
  /** There is an event to be handed over. */
  onEventQueued(): void;
  /** Seconds since the epoch. */
  now(): number;
}

/**
 * What may happen to a tenant's uploads, and what it changes: the row, the totals, what is due at Stream, and what the
 * endpoints are told, all of it in one transaction.
 */
export class Ledger {
  readonly store: LedgerStore;
  readonly uploads: LedgerQueries;
  readonly outbox: OutboxStore;
  readonly #tenant: string;
  readonly #host: LedgerHost;
  readonly #recent: RecentCreations;

  constructor(storage: DurableObjectStorage, tenant: string, keeper: LedgerHost) {
    this.store = new LedgerStore(storage, () => keeper.onTransactionStart());
    this.uploads = new LedgerQueries(storage.sql);
    this.outbox = new OutboxStore(storage.sql, tenant);
    this.#recent = new RecentCreations((after) => this.uploads.reservedAfter(after));
    this.#tenant = tenant;
    this.#host = keeper;
  }

  /** By the upload's id, or by the uid of its video. */
  find(idOrUid: string): UploadRow | undefined {
    return this.uploads.byId(idOrUid) ?? this.uploads.byUid(idOrUid);
  }

  reserve(request: ReservationRequest): ReservationOutcome {
    if (request.version < this.store.version) return { kind: "stale" };
    const time = this.#host.now();
    const { idempotency, limits } = request;
    const earlier = idempotency && this.uploads.byIdempotency(idempotency.key);
    const known = idempotency && earlier && resolveIdempotency(idempotency, earlier, time);
    if (known) return known;

    const standing = this.#currentUsage(request, time);
    const refusal = checkLimits(limits, standing, request, time);
    if (refusal) return { kind: "refused", problem: refusal };

    const rate = rateStatus(standing.rates, 1);
    const upload = reservedUpload(request, time);
    if (earlier) this.#takeOverKey(earlier, upload);
    else this.#insert(upload);
    this.#recent.add({ id: request.id, creator: request.creator ?? null, created: time });
    return { kind: "reserved", ...(rate && { rate }) };
  }

  attach(id: string, uid: string, location: string): boolean {
    // What mostly happens; all else is told to endpoints, or is for the state machine to decide.
    if (!this.store.hasEndpoints && this.store.issue(id, uid, location)) return true;
    return this.store.transaction(() => {
      const row = this.uploads.byId(id);
      return row !== undefined && isLive(this.#applyTransition(row, { kind: "issued", uid }, { location }).state);
    });
  }

  release(id: string, cause: ReleaseCause): void {
    this.store.transaction(() => {
      const row = this.uploads.byId(id);
      if (row?.state === "reserved") {
        this.store.delete(row, this.#host.now());
        if (cause === "unsent") this.#recent.remove(id);
      } else if (row?.uid === null) this.#isGone(row);
    });
  }

  markUnknown(id: string): void {
    this.store.transaction(() => {
      const row = this.uploads.byId(id);
      if (row) this.#applyTransition(row, { kind: "lost" });
    });
  }

  cancelOrphaned(id: string, uid: string): void {
    this.store.transaction(() => {
      const row = this.uploads.byId(id);
      if (row) this.#applyTransition(row, { kind: "cancelled", uid });
    });
  }

  cancel(id: string, version: number): UploadRow | "stale" | undefined {
    if (version < this.store.version) return "stale";
    return this.store.transaction(() => {
      const row = this.uploads.byId(id);
      return row && (row.unwanted !== 0 ? row : this.#applyTransition(row, { kind: "cancelled" }));
    });
  }

  confirmVideoDeleted(id: string): void {
    this.store.transaction(() => {
      const row = this.uploads.byId(id);
      if (row) this.#isGone(row);
    });
  }

  recordVideo(upstream: string, video: StreamVideo): boolean {
    return this.store.transaction(() => {
      const row = this.#findUploadFor(upstream, video);
      if (row) this.#applyReport(row, video);
      return row !== undefined;
    });
  }

  reconcile(upstream: string, { from, to, videos }: VideoPage): StoredComparison {
    return this.store.transaction(() => {
      let [settled, adopted] = [0, 0];
      for (const video of videos) {
        const row = this.#findUploadFor(upstream, video);
        if (row && this.#applyListedVideo(row, video).state !== row.state) settled++;
        if (!row && this.#importVideo(upstream, video)) adopted++;
      }
      const seen = new Set(videos.map(({ report }) => report.uid));
      const expected = this.uploads.expectedBetween(upstream, from, to);
      const missing = expected.rows.filter(({ uid }) => uid !== null && !seen.has(uid));
      if (missing.length > 0) {
        const now = this.#host.now();
        this.store.makeDue(
          missing.map(({ id }) => id),
          now,
        );
        this.#host.scheduleAlarm(now);
      }
      const reached = expected.to < to ? { to: expected.to } : {};
      return { settled, adopted, missing: missing.length, ...reached };
    });
  }

  /** Takes in what has been found out about an upload that was due. */
  settle(asked: DueUpload, { event, video, due }: DueOutcome): void {
    this.store.transaction(() => {
      const row = this.uploads.byId(asked.id);
      if (!row) return;
      // While Stream was asked, others may have had their turn: then what is due is theirs to say.
      const next = row.state === asked.state ? { due } : {};
      const seen = video && "json" in video ? { video: shortJson(video.json) } : {};
      if (event) this.#applyTransition(row, event, { ...seen, ...next });
      else this.store.change(row, next, this.#host.now());
    });
  }

  /** The upload that a video belongs to, if what it says of itself agrees with what is known here. */
  #findUploadFor(upstream: string, { tag, report }: StreamVideo): UploadRow | undefined {
    const row = (tag && this.uploads.byId(tag.uploadId)) ?? this.uploads.byUid(report.uid);
    return row?.upstream === upstream && (row.uid ?? report.uid) === report.uid ? row : undefined;
  }

  /** What comes late says nothing new of how the video looks. */
  #applyReport(row: UploadRow, { report, json }: StreamVideo): UploadRow {
    const isNews = isLive(row.state) || report.kind === "ready";
    return this.#applyTransition(row, { kind: "reported", report }, isNews ? { video: shortJson(json) } : {});
  }

  /** What Stream lists is there now. */
  #applyListedVideo(row: UploadRow, video: StreamVideo): UploadRow {
    const { report, json } = video;
    if (report.kind !== "ready" || !isMissingUpstream(progressOf(row))) return this.#applyReport(row, video);
    return this.#applyTransition(row, { kind: "returned", report }, { video: shortJson(json) });
  }

  /** Brings in a video that carries this tenant's tag, and of which nothing is known. */
  #importVideo(upstream: string, video: StreamVideo): boolean {
    const upload = video.tag?.tenant === this.#tenant && importedUpload(upstream, video, this.#host.now());
    // A tag may have been copied to another video, and two upstreams of one account show the same one.
    if (!upload || this.find(upload.id) || this.find(video.report.uid)) return false;
    this.#insert(upload);
    const row = this.uploads.byId(upload.id);
    if (row) this.#queueEvent(row);
    return true;
  }

  #currentUsage({ limits, creator }: ReservationRequest, time: number): CurrentUsage {
    return {
      totals: this.store.totals(time),
      creatorPending:
        creator === undefined || limits.pendingPerCreator === undefined ? 0 : this.uploads.countPendingOf(creator),
      rates: limits.rate ? rateUses(limits.rate, creator, this.#recent.at(time), time) : [],
      nextExpiry: () => this.uploads.nextExpiry(),
    };
  }

  #isGone(row: UploadRow): void {
    if (row.unwanted !== 0) this.store.change(row, { due: null }, this.#host.now());
  }

  /** A dead upload's key goes over to the new one. */
  #takeOverKey(dead: UploadRow, upload: NewUpload): void {
    this.store.transaction(() => {
      this.store.change(dead, { idempotency: null }, upload.created);
      this.#insert(upload);
    });
  }

  #insert(upload: NewUpload): void {
    this.store.insert(upload, this.#host.now());
    if (upload.due !== null) this.#host.scheduleAlarm(upload.due);
  }

  /** An upload after an event; what its endpoints are to be told of it is written with it. */
  #applyTransition(row: UploadRow, event: UploadTransition, more: UploadChange = {}): UploadRow {
    const now = this.#host.now();
    const after = transition(progressOf(row), event);
    const { state } = after;
    const due = dueAfter(row, event, after, now);
    const change = { due, location: row.location, ...more, ...progressColumns(after) };
    const changed = this.store.change(row, isLive(state) ? change : { ...change, location: null }, now);
    if (changed.due !== null && changed.due !== row.due) this.#host.scheduleAlarm(changed.due);
    if (state !== row.state) this.#queueEvent(changed);
    return changed;
  }

  /** Keeps an event for the endpoints, if there are any. */
  #queueEvent(row: UploadRow): void {
    const now = this.#host.now();
    const body = this.store.hasEndpoints && uploadEvent(this.#tenant, storedUpload(row), now);
    if (!body) return;
    this.outbox.add(body, now);
    this.#host.onEventQueued();
  }
}
