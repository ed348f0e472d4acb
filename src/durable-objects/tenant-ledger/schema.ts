import type { UploadState } from "../../core/uploads/rules/upload-state.ts";

/**
 * Append-only migrations of a tenant's ledger: never edit a released step. An object migrates itself when it starts. Times
 * are seconds since the epoch.
 *
 * Each index is one more row written per creation, so there is one only for each of these look-ups:
 *
 * - by `id`: attach and release; and lists, since ids sort by time
 * - by `idempotency`: repeated creations
 * - by `uid`: notifications from Stream, and requests by uid
 * - by creator and time: a creator's list
 * - due uploads by creator: includes all live uploads (`pendingPerCreator`), and few others
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

  // `due` becomes nullable: a settled upload has nothing left to do. Adds webhook events.
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

  // A video is deleted at Stream only on request. For uploads with nothing due, whether there was a request is not known.
  `ALTER TABLE uploads ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
   UPDATE uploads SET unwanted = 1 WHERE due IS NOT NULL AND state IN ('cancelled', 'deleted');
   ALTER TABLE uploads ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE uploads ADD COLUMN bytes_measured INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE uploads ADD COLUMN seconds_measured INTEGER NOT NULL DEFAULT 0;`,

  // The stored totals include uploads up to this `seq`; the object adds newer ones when it starts.
  `ALTER TABLE ledger ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
   UPDATE ledger SET counted = (SELECT coalesce(max(seq), 0) FROM uploads);`,
];

/** Runs the steps that this ledger has not run yet. */
export function migrateLedger(sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS schema (one INTEGER PRIMARY KEY CHECK (one = 1), steps INTEGER NOT NULL)");
  const done = sql.exec<{ steps: number }>("SELECT steps FROM schema").toArray()[0]?.steps ?? 0;
  if (done >= STEPS.length) return;
  for (const step of STEPS.slice(done)) sql.exec(step);
  sql.exec("INSERT OR REPLACE INTO schema (one, steps) VALUES (1, ?)", STEPS.length);
}

/** A row of `uploads`. Stored names stay; `row-mapping.ts` maps them to those of the core. */
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
  /** When the video has to be checked or deleted at Stream; null: never. */
  readonly due: number | null;
  readonly failure: string | null;
  /** `deletionRequested`, as 0 or 1. */
  readonly unwanted: number;
  /** `restoredCount`. */
  readonly returns: number;
  /** 1: measured by Stream; 0: still the reservation. */
  readonly bytes_measured: number;
  readonly seconds_measured: number;
  /** JSON: the latest video object from Stream. */
  readonly video: string | null;
}

/** The columns of a new upload; the others get their defaults. */
export type NewUpload = Pick<
  UploadRow,
  "id" | "state" | "upstream" | "bytes" | "seconds" | "created" | "expires" | "due"
> &
  Partial<UploadRow>;
