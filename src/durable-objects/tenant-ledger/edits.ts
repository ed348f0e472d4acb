import {
  EDIT_CHECK_SECONDS,
  EDIT_IN_PROGRESS,
  EDIT_RETRY_SECONDS,
  EDIT_SECONDS,
  type EditEnd,
  type EditStart,
  type EditStartOutcome,
  NOT_PENDING,
  NO_VIDEO,
  reserveLonger,
} from "../../core/quota/rules/edit-reservation.ts";
import type { Problem } from "../../core/shared/problem.ts";
import type { AbsentVideo, StreamVideo } from "../../core/stream/rules/video.ts";
import { DUE_AFTER_EXPIRY_SECONDS } from "../../core/uploads/rules/due-upload.ts";
import { isLive } from "../../core/uploads/rules/upload-state.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import type { LedgerHost } from "./host.ts";
import type { LedgerQueries } from "./queries.ts";
import { type UploadChange, describedColumns, isOlder } from "./row-mapping.ts";
import type { UploadRow } from "./schema.ts";
import type { LedgerStore } from "./store.ts";
import type { UploadWriter } from "./upload-writer.ts";

/** Videos that are edited at once; of more than that, one may be edited twice at once. */
const MAX_EDITED = 1_000;

/**
 * Edits of the videos of one ledger, one per video at a time. The lock is in memory; on disk is that an edit has begun (`editing`),
 * and when to ask Stream what became of it, should its end never come: its Worker was killed, or Stream's answer was lost. What
 * Stream then describes is written as the end would have written it, and a longer reservation than Stream's is given back.
 */
export class Edits {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #writer: UploadWriter;
  readonly #host: LedgerHost;
  /** By upload id, in seconds since the epoch. */
  readonly #lockedUntil = new Map<string, number>();

  constructor(store: LedgerStore, queries: LedgerQueries, writer: UploadWriter, host: LedgerHost) {
    this.#store = store;
    this.#queries = queries;
    this.#writer = writer;
    this.#host = host;
  }

  begin({ id, version, limits, seconds }: EditStart): EditStartOutcome {
    if (version < this.#store.version) return { kind: "stale" };
    const row = this.#queries.byId(id);
    if (!row || !isEditable(row)) return refused(NO_VIDEO);
    if (seconds !== undefined && row.state !== "issued") return refused(NOT_PENDING);
    if (this.#isLocked(id)) return refused(EDIT_IN_PROGRESS);
    const now = this.#host.now();
    const isLonger = seconds !== undefined && seconds > row.seconds;
    const reserved = isLonger ? reserveLonger(this.#store.totals(now), row, seconds, limits, now) : {};
    if ("code" in reserved) return refused(reserved);

    const due = now + EDIT_SECONDS;
    this.#store.transaction(() => {
      const editing = row.editing ?? row.seconds;
      this.#writer.update(row, { editing, due, ...reserved, ...(isLonger && { seconds }) });
      this.#host.scheduleAlarm(due);
    });
    setBounded(this.#lockedUntil, id, due, MAX_EDITED);
    return { kind: "begun", seconds: row.seconds };
  }

  end(id: string, { video, seconds, expires }: EditEnd): UploadRow | undefined {
    this.#lockedUntil.delete(id);
    return this.#store.transaction(() => {
      const row = this.#queries.byId(id);
      // It was cancelled, or its video is gone: nothing of the edit counts.
      if (!row || !isEditable(row)) return row && this.#writer.update(row, { editing: null });
      const decided = isLive(row.state)
        ? { ...(seconds !== undefined && { seconds }), ...(expires !== undefined && { expires }) }
        : {};
      const now = this.#host.now();
      const due = video ? dueWithout(row, decided.expires ?? row.expires, now) : now + EDIT_CHECK_SECONDS;
      if (due !== null) this.#host.scheduleAlarm(due);
      return this.#writer.edit(row, { ...(video && this.#describe(row, video)), ...decided, due });
    });
  }

  /** Writes what Stream describes on request, if what became of the last edit is not known. */
  learn(row: UploadRow, video: StreamVideo | AbsentVideo | undefined): UploadRow {
    if (row.editing === null || this.#isLocked(row.id) || !video || !("json" in video)) return row;
    return this.#writer.edit(row, this.#describe(row, video));
  }

  /** When to ask about a video again. @param due when it would be if there were no edit */
  nextCheck(row: UploadRow, due: number | null): number | null {
    if (row.editing === null) return due;
    return this.#isLocked(row.id) ? row.due : (due ?? this.#host.now() + EDIT_RETRY_SECONDS);
  }

  #describe(row: UploadRow, video: StreamVideo): UploadChange {
    return { editing: null, ...(isOlder(video.json, row, this.#host.now()) ? {} : describedColumns(row, video)) };
  }

  #isLocked(id: string): boolean {
    return (this.#lockedUntil.get(id) ?? 0) > this.#host.now();
  }
}

function refused(problem: Problem): EditStartOutcome {
  return { kind: "refused", problem };
}

/** Stream has a video that somebody wants. */
function isEditable({ state, unwanted, uid }: UploadRow): boolean {
  return uid !== null && unwanted === 0 && (state === "issued" || state === "ready" || state === "failed");
}

/** When an upload is due that is not being edited. */
function dueWithout({ state }: UploadRow, expires: number, now: number): number | null {
  return isLive(state) ? Math.max(expires, now) + DUE_AFTER_EXPIRY_SECONDS : null;
}
