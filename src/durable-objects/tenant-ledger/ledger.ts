import type { StoredAttempt } from "../../adapters/durable-objects/ledger-rpc.ts";
import type { LimitUse, RequestedUpload } from "../../core/quota/rules/check-limits.ts";
import type { Limits } from "../../core/quota/rules/limits.ts";
import type { ReleaseCause, ReservationOutcome, ReservationRequest } from "../../core/quota/rules/reservation.ts";
import type { Comparison, VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import type { VerifiedVideo } from "../../core/stream/rules/video.ts";
import { isOfTime, provesUpload } from "../../core/stream/rules/video-tag.ts";
import type { DueOutcome, DueUpload } from "../../core/uploads/rules/due-upload.ts";
import type { UploadQuery } from "../../core/uploads/rules/upload-record.ts";
import {
  type UploadState,
  isFinished,
  isLive,
  isMissingUpstream,
  isVideoLost,
} from "../../core/uploads/rules/upload-state.ts";
import type { EventPage, EventQuery, WebhookEvent } from "../../core/webhooks/rules/delivery.ts";
import { Admissions } from "./admissions.ts";
import { EventPublisher } from "./event-publisher.ts";
import type { LedgerHost } from "./host.ts";
import { Outbox } from "./outbox.ts";
import { LostUploads } from "./lost-uploads.ts";
import { LedgerQueries } from "./queries.ts";
import { dueUpload, importedUpload, progressOf, shortJson } from "./row-mapping.ts";
import type { UploadRow } from "./schema.ts";
import { LedgerStore } from "./store.ts";
import { UsageReports } from "./usage-reports.ts";
import { UploadWriter } from "./upload-writer.ts";

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
    this.usage = new UsageReports(this.#store, this.#queries, host);
    this.publisher = new EventPublisher(storage.sql, this.#store, this.#outbox, tenant, host);
    this.#host = host;
  }

  syncTenantVersion(version: number, hasEndpoints: boolean): void {
    this.#store.transaction(() => this.#store.syncTenantVersion(version, hasEndpoints, this.#host.now()));
  }

  reserve(request: ReservationRequest): ReservationOutcome {
    return this.#admissions.reserve(request);
  }

  attach(id: string, uid: string, location: string): boolean {
    // Fast path for most uploads. The others need an event or the state machine.
    if (!this.#store.hasEndpoints && this.#store.issue(id, uid, location)) return true;
    return this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      // The event of an empty file may come first.
      if (row?.uid === uid && row.unwanted === 0 && HANDED_OUT.has(row.state)) return true;
      if (row?.state === "reserved") {
        this.#writer.apply(row, { kind: "issued", uid }, { location });
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
    if (version < this.#store.version) return "stale";
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

  /** The videos that a search for lost creations has found, which are all of those in its time span. */
  recordSearch(upstream: string, { videos, ...span }: VideoPage<VerifiedVideo>): void {
    this.#store.transaction(() => {
      for (const video of videos) {
        const row = this.#findUploadFor(upstream, video);
        if (row && isVideoLost(progressOf(row))) this.#applyReport(row, video);
      }
      this.#store.endLastLook(upstream, span, this.#host.now());
    });
  }

  recordVideo(upstream: string, video: VerifiedVideo): boolean {
    return this.#store.transaction(() => {
      const row = this.#findUploadFor(upstream, video);
      if (row) this.#applyReport(row, video);
      return row !== undefined;
    });
  }

  reconcile(upstream: string, { from, to, videos }: VideoPage<VerifiedVideo>): Comparison {
    return this.#store.transaction(() => {
      let [settled, imported] = [0, 0];
      const unmanaged: string[] = [];
      for (const video of videos) {
        const { uid } = video.report;
        const row = this.#findUploadFor(upstream, video);
        if (row && this.#applyListedVideo(row, video).state !== row.state) settled++;
        if (row) continue;
        if (this.#importVideo(upstream, video)) imported++;
        else if (!provesUpload(video) && !this.find(uid)) unmanaged.push(uid);
      }
      const listed = new Set(videos.map(({ report }) => report.uid));
      const expected = this.#queries.expectedBetween(upstream, from, to);
      const missing = expected.rows.filter(({ uid }) => uid !== null && !listed.has(uid));
      if (missing.length > 0) {
        const now = this.#host.now();
        this.#store.makeDue(
          missing.map(({ id }) => id),
          now,
        );
        this.#host.scheduleAlarm(now);
      }
      const reached = expected.to < to ? { to: expected.to } : {};
      return { settled, imported, missing: missing.length, ...(unmanaged.length > 0 && { unmanaged }), ...reached };
    });
  }

  settle(upload: DueUpload, { transition, video, deletionFailed, due }: DueOutcome): void {
    this.#store.transaction(() => {
      const row = this.#queries.byId(upload.id);
      if (!row) return;
      // If another change came while Stream was queried, that change has set the due time.
      const next = row.state === upload.state ? { due, deletions: row.deletions + (deletionFailed ? 1 : 0) } : {};
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
    return this.#queries.byId(idOrUid) ?? this.#queries.byUid(idOrUid);
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

  /** The upload of a video, by uid; by tag only if its uid is not known. @returns undefined unless the upstream matches */
  #findUploadFor(upstream: string, video: VerifiedVideo): UploadRow | undefined {
    const row = this.#queries.byUid(video.report.uid) ?? this.#findByTag(video);
    return row?.upstream === upstream ? row : undefined;
  }

  /** An unsigned tag counts only for uploads from before tags were signed. */
  #findByTag(video: VerifiedVideo): UploadRow | undefined {
    const row = video.tag && this.#queries.byId(video.tag.uploadId);
    if (!row || row.uid !== null) return undefined;
    const isHint = row.created < this.#store.signedFrom && isOfTime(video.created, row.created);
    return isHint || provesUpload(video) ? row : undefined;
  }

  /** Late reports do not replace the stored video object. */
  #applyReport(row: UploadRow, { report, json }: VerifiedVideo): UploadRow {
    const isCurrent = isLive(row.state) || report.kind === "ready";
    return this.#writer.apply(row, { kind: "reported", report }, isCurrent ? { video: shortJson(json) } : {});
  }

  /** Unlike a notification, a listed video is certainly at Stream now, so a missing one is restored. */
  #applyListedVideo(row: UploadRow, video: VerifiedVideo): UploadRow {
    const { report, json } = video;
    if (report.kind !== "ready" || !isMissingUpstream(progressOf(row))) return this.#applyReport(row, video);
    return this.#writer.apply(row, { kind: "restored", report }, { video: shortJson(json) });
  }

  /** Imports an unknown video that has a signed tag of this tenant. @returns whether it was imported */
  #importVideo(upstream: string, video: VerifiedVideo): boolean {
    const upload = importedUpload(upstream, video, this.#host.now());
    // A tag may be copied to another video, and two upstreams of one account list the same video.
    if (!upload || this.find(upload.id) || this.find(video.report.uid)) return false;
    this.#writer.insert(upload);
    const row = this.#queries.byId(upload.id);
    if (row) this.#writer.queueEvent(row);
    return true;
  }
}
