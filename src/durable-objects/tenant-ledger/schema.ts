import type { UploadState } from "../../core/uploads/rules/upload-state.ts";

/**
 * A tenant's ledger, version by version: an object brings itself up to date when it starts. What has been released is not
 * changed any more; a change is one more step. Times are seconds since the epoch.
 *
 * Each index is one more row written per creation, so there are no more than are asked for:
 *
 * - by `id`, when an upload is attached or released; and for lists, since ids sort by time
 * - by `idempotency`, when the same creation comes again
 * - by `uid`, when Stream or the tenant speaks of the video
 * - by creator in order of time, for a creator's list
 * - those that are due for something, by creator: among them all live ones (`pendingPerCreator`), and few others
 */
const STEPS = [
  `CREATE TABLE IF NOT EXISTS uploads (
     seq         INTEGER PRIMARY KEY,
     id          TEXT NOT NULL UNIQUE,
     state       TEXT NOT NULL,
     creator     TEXT,
     uid         TEXT,
     location    TEXT,
     idempotency TEXT,
     fingerprint TEXT,
     upstream    TEXT NOT NULL,
     bytes       INTEGER NOT NULL,
     seconds     REAL NOT NULL,
     created     INTEGER NOT NULL,
     expires     INTEGER NOT NULL,
     due         INTEGER NOT NULL
   );
   CREATE UNIQUE INDEX IF NOT EXISTS uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
   CREATE INDEX IF NOT EXISTS uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL;
   CREATE TABLE IF NOT EXISTS ledger (
     one     INTEGER PRIMARY KEY CHECK (one = 1),
     version INTEGER NOT NULL,
     totals  TEXT NOT NULL
   );`,

  // An upload may be settled for good, and then nothing is due; and it is told to the tenant's endpoints.
  `DROP INDEX IF EXISTS live_uploads;
   ALTER TABLE uploads RENAME COLUMN due TO was_due;
   ALTER TABLE uploads ADD COLUMN due INTEGER;
   UPDATE uploads SET due = was_due WHERE state IN ('reserved', 'unknown', 'issued');
   ALTER TABLE uploads DROP COLUMN was_due;
   ALTER TABLE uploads ADD COLUMN failure TEXT;
   ALTER TABLE uploads ADD COLUMN video TEXT;
   DROP INDEX uploads_by_creator;
   CREATE INDEX uploads_by_creator ON uploads (creator, id) WHERE creator IS NOT NULL;
   CREATE INDEX due_uploads ON uploads (creator, due) WHERE due IS NOT NULL;
   CREATE INDEX uploads_by_uid ON uploads (uid) WHERE uid IS NOT NULL;
   UPDATE ledger SET totals = json_set(totals, '$.videos', (SELECT count(*) FROM uploads WHERE state = 'ready'));
   ALTER TABLE ledger ADD COLUMN has_endpoints INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE ledger ADD COLUMN published INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE events (
     seq     INTEGER PRIMARY KEY,
     created INTEGER NOT NULL,
     body    TEXT NOT NULL
   );
   CREATE TABLE attempts (
     event        INTEGER NOT NULL,
     at           INTEGER NOT NULL,
     endpoint     TEXT NOT NULL,
     outcome      TEXT NOT NULL,
     status       INTEGER,
     reason       TEXT,
     milliseconds INTEGER,
     PRIMARY KEY (event, at, endpoint)
   ) WITHOUT ROWID;`,

  // Only what a tenant has asked for is deleted at Stream: of what is over and done with, nobody knows any more who wanted it.
  `ALTER TABLE uploads ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
   UPDATE uploads SET unwanted = 1 WHERE due IS NOT NULL AND state IN ('cancelled', 'deleted');
   ALTER TABLE uploads ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE uploads ADD COLUMN bytes_measured INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE uploads ADD COLUMN seconds_measured INTEGER NOT NULL DEFAULT 0;`,

  // The totals are those of the uploads up to this `seq`; newer ones are counted when the object starts.
  `ALTER TABLE ledger ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
   UPDATE ledger SET counted = (SELECT coalesce(max(seq), 0) FROM uploads);`,
];

/** Takes the steps that this ledger has not taken yet. */
export function migrateLedger(sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS schema (one INTEGER PRIMARY KEY CHECK (one = 1), steps INTEGER NOT NULL)");
  const taken = sql.exec<{ steps: number }>("SELECT steps FROM schema").toArray()[0]?.steps ?? 0;
  if (taken >= STEPS.length) return;
  for (const step of STEPS.slice(taken)) sql.exec(step);
  sql.exec("INSERT OR REPLACE INTO schema (one, steps) VALUES (1, ?)", STEPS.length);
}

/** A row of `uploads`. */
export interface UploadRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly state: UploadState;
  readonly creator: string | null;
  readonly uid: string | null;
  readonly location: string | null;
  readonly idempotency: string | null;
  readonly fingerprint: string | null;
  readonly upstream: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly created: number;
  readonly expires: number;
  /** When something has to be found out or done at Stream; null: never again. */
  readonly due: number | null;
  readonly failure: string | null;
  /** 1: the video has to go, whatever has become of it. */
  readonly unwanted: number;
  /** How often the video was there again after it had disappeared. */
  readonly returns: number;
  /** 1: they are what Stream has measured, and no longer what was reserved. */
  readonly bytes_measured: number;
  readonly seconds_measured: number;
  /** JSON: Stream's own object of the video, as it was last seen. */
  readonly video: string | null;
}

/** Finished uploads that are not at Stream count for nothing once their month is over; kept a little longer, to be seen. */
export const KEEP_FINISHED_SECONDS = 40 * 24 * 60 * 60;
/** What is known of an upload from the beginning. */
export type NewUpload = Pick<
  UploadRow,
  "id" | "state" | "upstream" | "bytes" | "seconds" | "created" | "expires" | "due"
> &
  Partial<UploadRow>;
