import { UNANSWERED_SECONDS, dueAfterTransition } from "../../core/uploads/rules/due-upload.ts";
import {
  type UploadTransition,
  applyTransition,
  isLive,
  isLostAndOver,
  isVideoLost,
} from "../../core/uploads/rules/upload-state.ts";
import { type UploadEventType, uploadDocument, uploadEvent } from "../../core/webhooks/rules/upload-event.ts";
import type { LedgerHost } from "./host.ts";
import type { Outbox } from "./outbox.ts";
import { type UploadChange, describedUpload, progressColumns, progressOf } from "./row-mapping.ts";
import type { NewUpload, UploadRow } from "./schema.ts";
import type { LedgerStore } from "./store.ts";

/** Writes uploads together with everything that depends on them: totals, alarm and the event for the tenant's endpoints. */
export class UploadWriter {
  readonly #store: LedgerStore;
  readonly #outbox: Outbox;
  readonly #tenant: string;
  readonly #host: LedgerHost;

  constructor(store: LedgerStore, outbox: Outbox, tenant: string, host: LedgerHost) {
    this.#store = store;
    this.#outbox = outbox;
    this.#tenant = tenant;
    this.#host = host;
  }

  insert(upload: NewUpload): void {
    this.#store.insert(upload, this.#host.now());
    if (upload.state === "reserved") this.#host.scheduleAlarm(upload.created + UNANSWERED_SECONDS);
    else if (upload.due !== null) this.#host.scheduleAlarm(upload.due);
  }

  update(row: UploadRow, change: UploadChange): UploadRow {
    return this.#store.update(row, change, this.#host.now());
  }

  /** Applies a transition, and queues an event if it changes the state. @param more further columns to write */
  apply(row: UploadRow, transition: UploadTransition, more: UploadChange = {}): UploadRow {
    const after = applyTransition(progressOf(row), transition);
    // What became of an edit is still asked.
    const due = dueAfterTransition(row, transition, after, this.#host.now()) ?? (row.editing === null ? null : row.due);
    // That a video has become unwanted matters more than when to ask about it.
    const isUnwanted = after.deletionRequested && row.unwanted === 0;
    const change = { due, location: row.location, ...more, ...(isUnwanted && { due }), ...progressColumns(after) };
    const updated = this.update(row, isLive(after.state) ? change : { ...change, location: null });
    if (updated.due !== null && updated.due !== row.due) this.#host.scheduleAlarm(updated.due);
    // The alarm asks for a search for its video.
    if (isVideoLost(after) && !row.lost) this.#host.scheduleAlarm(this.#host.now());
    // There was no event for its creation, so there is none for its end.
    if (after.state !== row.state && !isLostAndOver(after)) this.queueEvent(updated);
    return updated;
  }

  /** Writes what an edit has changed, and queues an event if that shows. */
  edit(row: UploadRow, change: UploadChange): UploadRow {
    const shown = (of: UploadRow) => JSON.stringify(uploadDocument(describedUpload(of, this.#tenant)));
    // A longer reservation was made when the edit began, and no event has shown it.
    const before = isLive(row.state) ? { ...row, seconds: row.editing ?? row.seconds } : row;
    if (shown(before) === shown({ ...row, ...change })) return this.update(row, change);
    const edited = this.update(row, { ...change, returns: row.returns + 1 });
    this.queueEvent(edited, "upload.updated");
    return edited;
  }

  /** Stores an event of an upload if the tenant has endpoints. @param type by default, the one of its state */
  queueEvent(row: UploadRow, type?: UploadEventType): void {
    const now = this.#host.now();
    const body = this.#store.hasEndpoints && uploadEvent(this.#tenant, describedUpload(row, this.#tenant), now, type);
    if (!body) return;
    this.#outbox.add(body, now);
    this.#host.onEventQueued();
  }
}
