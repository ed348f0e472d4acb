import type { StoredAttempt } from "../../adapters/durable-objects/ledger-rpc.ts";
import type { LimitUse, RequestedUpload } from "../../core/quota/rules/check-limits.ts";
import type { Limits } from "../../core/quota/rules/limits.ts";
import type { ReleaseCause, ReservationOutcome, ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { VideoJson } from "../../core/stream/rules/video-document.ts";
import type { DueOutcome, DueUpload } from "../../core/uploads/rules/due-upload.ts";
import type { UploadQuery } from "../../core/uploads/rules/upload-record.ts";
import { type UploadState, isFinished } from "../../core/uploads/rules/upload-state.ts";
import type { EventPage, EventQuery, WebhookEvent } from "../../core/webhooks/rules/delivery.ts";
import { Admissions } from "./admissions.ts";
import { Edits } from "./edits.ts";
import { EventPublisher } from "./event-publisher.ts";
import type { LedgerHost } from "./host.ts";
import { Outbox } from "./outbox.ts";
import { LostUploads } from "./lost-uploads.ts";
import { LedgerQueries } from "./queries.ts";
import { type UploadChange, dueUpload, progressOf, shortJson } from "./row-mapping.ts";
import type { UploadRow } from "./schema.ts";
import { LedgerStore } from "./store.ts";
import { UsageReports } from "./usage-reports.ts";
import { UploadWriter } from "./upload-writer.ts";
import { VideoReports } from "./video-reports.ts";

/** States of an upload whose URL the client gets, or has. */
const HANDED_OUT: ReadonlySet<UploadState> = new Set(["issued", "ready", "failed"]);
/** States of an upload without content whose URL nobody gets. */
const NEVER_ISSUED: ReadonlySet<UploadState> = new Set(["unknown", "expired", "cancelled"]);

/**
 * The uploads and events of one tenant. Each change writes the row, the totals, the due time at Stream and the event for
 * the tenant's endpoints in one transaction.
 */
export class Ledger {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #outbox: Outbox;
  readonly #writer: UploadWriter;
  readonly #admissions: Admissions;
  readonly #lost: LostUploads;
  readonly edits: Edits;
  readonly reports: VideoReports;
  readonly usage: UsageReports;
  readonly publisher: EventPublisher;
  readonly #host: LedgerHost;

  constructor(storage: DurableObjectStorage, tenant: string, host: LedgerHost) {
    this.#store = new LedgerStore(storage, host.now(), () => host.onTransactionStart());
    this.#queries = new LedgerQueries(storage.sql);
    this.#outbox = new Outbox(storage.sql, tenant);
    this.#writer = new UploadWriter(this.#store, this.#outbox, tenant, host);
    this.#admissions = new Admissions(this.#store, this.#queries, this.#writer, host);
    this.#lost = new LostUploads(this.#store, this.#queries, this.#writer, host);
    this.edits = new Edits(this.#store, this.#queries, this.#writer, host);
    this.reports = new VideoReports(this.#store, this.#queries, this.#writer, host);
    this.usage = new UsageReports(this.#store, this.#queries, host);
    this.publisher = new EventPublisher(storage.sql, this.#store, this.#outbox, tenant, host);
    this.#host = host;
  }

  syncTenantVersion(version: number, hasEndpoints: boolean): void {
    this.#store.transaction(() => this.#store.syncTenantVersion(version, hasEndpoints, this.#host.now()));
  }

  isStale(version: number): boolean {
    return version < this.#store.version;
  }

  reserve(request: ReservationRequest): ReservationOutcome {
    return this.#admissions.reserve(request);
  }

  attach(id: string, uid: string, location: string): boolean {
    // Fast path for most uploads. The others need an event or the state machine.
    if (!this.#store.hasEndpoints && this.#store.issue(id, uid, location)) return true;
    return this.#attach(id, uid, { location });
  }

  /** @param video Stream's description of a copy or a clip */
  attachVideo(id: string, uid: string, video: VideoJson): boolean {
    return this.#attach(id, uid, { video: shortJson(video) });
  }

  #attach(id: string, uid: string, made: UploadChange): boolean {
    return this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      // The event of an empty file may come first.
      if (row?.uid === uid && row.unwanted === 0 && HANDED_OUT.has(row.state)) return true;
      if (row?.state === "reserved") {
        this.#writer.apply(row, { kind: "issued", uid }, made);
        return true;
      }
      // It was cancelled or superseded, or counts as lost: no client gets its URL.
      if (row && NEVER_ISSUED.has(row.state)) this.#writer.apply(row, { kind: "unreachable", uid });
      return false;
    });
  }

  release(id: string, cause: ReleaseCause): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (row?.state === "reserved") {
        this.#store.delete(row, this.#host.now());
        if (cause === "unsent") this.#admissions.forget(id);
        // It was cancelled or superseded during the creation, or counts as lost: there is no video to search for.
      } else if (row?.uid === null) this.#writer.apply(row, { kind: "expired" }, { due: null });
    });
  }

  markUnknown(id: string): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (row && row.state !== "issued") this.#lost.lose(row);
    });
  }

  cancelOrphaned(id: string, uid: string): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (row) this.#writer.apply(row, { kind: "unreachable", uid });
    });
  }

  cancel(id: string, version: number, unfinishedOnly: boolean): UploadRow | "stale" | "finished" | undefined {
    if (this.isStale(version)) return "stale";
    return this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (!row || progressOf(row).deletionRequested) return row;
      return unfinishedOnly && isFinished(row.state) ? "finished" : this.#writer.apply(row, { kind: "cancelled" });
    });
  }

  confirmVideoDeleted(id: string): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (row) this.#endDeletion(row);
    });
  }

  stopAsking(id: string): void {
    this.#admissions.stopAsking(id);
  }

  /** The video was deleted before the upload URL was used. */
  expire(id: string): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      if (row) this.#writer.apply(row, { kind: "expired" });
    });
  }

  settleLost(): void {
    this.#lost.settle();
  }

  startSearch(): readonly string[] {
    return this.#lost.startSearch();
  }

  lostCreations(upstream: string): readonly number[] {
    return this.#lost.creations(upstream);
  }

  settle(upload: DueUpload, { transition, video, deletionFailed, due }: DueOutcome): void {
    this.#store.transaction(() => {
      const stored = this.#queries.byId(upload.id);
      if (!stored) return;
      const row = this.edits.learn(stored, video);
      // If another change came while Stream was queried, that change has set the due time.
      const next =
        row.state === upload.state
          ? { due: this.edits.nextCheck(row, due), deletions: row.deletions + (deletionFailed ? 1 : 0) }
          : {};
      const latest = video && "json" in video ? { video: shortJson(video.json) } : {};
      if (transition) this.#writer.apply(row, transition, { ...latest, ...next });
      else this.#writer.update(row, next);
    });
  }

  limitUses(limits: Limits, upload: RequestedUpload): LimitUse[] {
    return this.#admissions.limitUses(limits, upload);
  }

  countPendingDeletions(): number {
    return this.#queries.countPendingDeletions();
  }

  /** @param idOrUid the upload's id, or the uid of its video */
  find(idOrUid: string): UploadRow | undefined {
    return this.#queries.find(idOrUid);
  }

  list(query: UploadQuery): { readonly rows: readonly UploadRow[]; readonly cursor?: string } {
    return this.#queries.list(query);
  }

  /** @param except upstreams that are left out */
  dueUploads(limit: number, except: readonly string[]): DueUpload[] {
    return this.#queries.due(this.#host.now(), limit, except).map(dueUpload);
  }

  /** The earliest due time. @param except upstreams whose videos are left out */
  nextDue(except: readonly string[] = []): number | undefined {
    return this.#queries.nextDue(except);
  }

  listEvents(query: EventQuery): EventPage {
    return this.#outbox.list(query);
  }

  findEvent(id: string): (WebhookEvent & { readonly attempts: readonly StoredAttempt[] }) | undefined {
    return this.#outbox.find(id);
  }

  recordAttempt(eventId: string, attempt: StoredAttempt): void {
    this.#outbox.recordAttempt(eventId, attempt);
  }

  /** Deletes one block each of expired uploads and events. */
  prune(): void {
    this.#store.transaction(() => {
      this.#store.prune(this.#host.now());
      this.#outbox.prune(this.#host.now());
    });
  }

  /** The video no longer exists at Stream, so its deletion is no longer due. */
  #endDeletion(row: UploadRow): void {
    if (progressOf(row).deletionRequested) this.#writer.update(row, { due: null });
  }
}
