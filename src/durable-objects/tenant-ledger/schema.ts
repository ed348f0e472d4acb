import { emptyTotals } from "../../core/quota/rules/usage-totals.ts";
import type { UploadState } from "../../core/uploads/rules/upload-state.ts";

/**
 * Append-only migrations of a tenant's ledger: never edit a released step. An object migrates itself when it starts. Times
 * are seconds since the epoch.
 *
 * The id is the table's key: attach and release look uploads up by it, and lists use it, since ids sort by time. Each index
 * is one more row written per creation, so there is one only for each of these look-ups:
 *
 * - by `idempotency`: repeated creations
 * - by `uid`: notifications from Stream, and requests by uid
 * - by creator and time: a person's list
 * - by label and time: the list of what Stream is told; an ordinary creation has no label
 * - due uploads by creator: includes all live uploads (`pendingPerCreator`), and few others
 */
const STEPS: readonly (string | ((sql: SqlStorage, now: number) => void))[] = [
  `
  CREATE TABLE IF NOT EXISTS uploads (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
  creator TEXT, uid TEXT, location TEXT, idempotency TEXT, fingerprint TEXT, upstream TEXT NOT NULL,
  bytes INTEGER NOT NULL, seconds REAL NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
  due INTEGER NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
  CREATE INDEX IF NOT EXISTS uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL;
  CREATE TABLE IF NOT EXISTS ledger (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL,
  totals TEXT NOT NULL);`,

  // `due` becomes nullable: a settled upload has nothing left to do. Adds webhook events.
  `
  DROP INDEX IF EXISTS live_uploads;
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
  CREATE TABLE events (seq INTEGER PRIMARY KEY, created INTEGER NOT NULL, body TEXT NOT NULL);
  CREATE TABLE attempts (event INTEGER NOT NULL, at INTEGER NOT NULL, endpoint TEXT NOT NULL, outcome TEXT NOT NULL,
  status INTEGER, reason TEXT, milliseconds INTEGER, PRIMARY KEY (event, at, endpoint)) WITHOUT ROWID;`,

  // A video is deleted at Stream only on request. For uploads with nothing due, whether there was a request is not known.
  `
  ALTER TABLE uploads ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
  UPDATE uploads SET unwanted = 1 WHERE due IS NOT NULL AND state IN ('cancelled', 'deleted');
  ALTER TABLE uploads ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN bytes_measured INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN seconds_measured INTEGER NOT NULL DEFAULT 0;`,

  // The stored totals include uploads up to this `seq`; the object adds newer ones when it starts.
  `
  ALTER TABLE ledger ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
  UPDATE ledger SET counted = (SELECT coalesce(max(seq), 0) FROM uploads);`,

  addLostUploads,
  addSignedTags,

  // Events that are sent to the queue again: when, and up to which event all were checked for the first time.
  `
  CREATE TABLE handovers (due INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (due, event)) WITHOUT ROWID;
  CREATE TABLE checked_events (seq INTEGER NOT NULL);
  INSERT INTO checked_events SELECT coalesce(max(published), 0) FROM ledger;`,

  // For uploads that were reserved while the clock was behind the totals.
  "ALTER TABLE uploads ADD COLUMN day INTEGER",

  // What Stream is told of a person whose subject it does not take, or for whom the policy says something else. From here on,
  // `creator` is the key of a person: see `person-key.ts`.
  `
  ALTER TABLE uploads ADD COLUMN label TEXT;
  CREATE INDEX uploads_by_label ON uploads (label, id) WHERE label <> '';`,

  // Videos that are no uploads.
  `
  ALTER TABLE uploads ADD COLUMN source TEXT;
  ALTER TABLE uploads ADD COLUMN clipped_from TEXT;`,

  // An edit has begun, and what became of it is not known yet: the seconds from before it.
  "ALTER TABLE uploads ADD COLUMN editing REAL",
];

/** Copying a ledger of this size blocks it for one to five seconds, once. Larger ones keep the table with `seq`. */
const MAX_ROWS_COPIED = 50_000;

/** Indexes of `uploads`, but for its key. */
const INDEXES = `
  CREATE UNIQUE INDEX uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
  CREATE INDEX uploads_by_creator ON uploads (creator, id) WHERE creator IS NOT NULL;
  CREATE INDEX due_uploads ON uploads (creator, due) WHERE due IS NOT NULL;
  CREATE INDEX uploads_by_uid ON uploads (uid) WHERE uid IS NOT NULL;`;

/**
 * Adds lost creations, correlation with the tenant's own records, and totals of past months. Makes the id the table's key.
 *
 * The stored totals lack the uploads of the current `batch`, all of which have ids from `uncounted_from` on. `rekeyed` is when
 * idempotency keys got another form, for ledgers with uploads.
 */
function addLostUploads(sql: SqlStorage, now: number): void {
  sql.exec(`
  ALTER TABLE uploads ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN deletions INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN grant_id TEXT;
  ALTER TABLE uploads ADD COLUMN reference TEXT;
  ALTER TABLE uploads ADD COLUMN name TEXT;
  ALTER TABLE uploads ADD COLUMN meta TEXT;
  UPDATE uploads SET batch = 1 WHERE seq > (SELECT coalesce(max(counted), 0) FROM ledger);
  ALTER TABLE ledger DROP COLUMN counted;
  ALTER TABLE ledger ADD COLUMN batch INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE ledger ADD COLUMN uncounted_from TEXT NOT NULL DEFAULT '';
  ALTER TABLE ledger ADD COLUMN rekeyed INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE months (start INTEGER PRIMARY KEY, totals TEXT NOT NULL);`);
  const { uploads } = sql.exec<{ uploads: number }>("SELECT count(*) AS uploads FROM uploads").one();
  if (uploads > 0) {
    const totals = JSON.stringify(emptyTotals(0));
    sql.exec("INSERT OR IGNORE INTO ledger (one, version, totals) VALUES (1, 0, ?)", totals);
    sql.exec("UPDATE ledger SET rekeyed = ?", now);
  }
  if (uploads > MAX_ROWS_COPIED) return;
  // Scans read the short columns, so the long ones come last.
  const columns = `id, state, created, expires, due, bytes, seconds, lost, unwanted, batch, upstream, uid, creator, returns,
    bytes_measured, seconds_measured, deletions, failure, idempotency, fingerprint, grant_id, reference, name, location, meta,
    video`;
  sql.exec(`
  CREATE TABLE copied_uploads (id TEXT PRIMARY KEY, state TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL, due INTEGER, bytes INTEGER NOT NULL, seconds REAL NOT NULL,
  lost INTEGER NOT NULL DEFAULT 0, unwanted INTEGER NOT NULL DEFAULT 0, batch INTEGER NOT NULL DEFAULT 0,
  upstream TEXT NOT NULL, uid TEXT, creator TEXT, returns INTEGER NOT NULL DEFAULT 0,
  bytes_measured INTEGER NOT NULL DEFAULT 0, seconds_measured INTEGER NOT NULL DEFAULT 0,
  deletions INTEGER NOT NULL DEFAULT 0, failure TEXT, idempotency TEXT, fingerprint TEXT, grant_id TEXT,
  reference TEXT, name TEXT, location TEXT, meta TEXT, video TEXT) WITHOUT ROWID;
  INSERT INTO copied_uploads (${columns}) SELECT ${columns} FROM uploads;
  DROP TABLE uploads;
  ALTER TABLE copied_uploads RENAME TO uploads;
  ${INDEXES}`);
}

/** Adds when the tags of videos got signed, for ledgers with uploads; in others, no upload has an unsigned one. */
function addSignedTags(sql: SqlStorage, now: number): void {
  sql.exec("ALTER TABLE ledger ADD COLUMN signed_from INTEGER NOT NULL DEFAULT 0");
  if (sql.exec("SELECT 1 FROM uploads LIMIT 1").toArray().length === 0) return;
  const totals = JSON.stringify(emptyTotals(0));
  sql.exec("INSERT OR IGNORE INTO ledger (one, version, totals) VALUES (1, 0, ?)", totals);
  sql.exec("UPDATE ledger SET signed_from = ?", now);
}

/** Runs the steps that this ledger has not run yet. */
export function migrateLedger(sql: SqlStorage, now: number): void {
  sql.exec("CREATE TABLE IF NOT EXISTS schema (one INTEGER PRIMARY KEY CHECK (one = 1), steps INTEGER NOT NULL)");
  const done = sql.exec<{ steps: number }>("SELECT steps FROM schema").toArray()[0]?.steps ?? 0;
  if (done >= STEPS.length) return;
  for (const step of STEPS.slice(done)) {
    if (typeof step === "string") sql.exec(step);
    else step(sql, now);
  }
  sql.exec("INSERT OR REPLACE INTO schema (one, steps) VALUES (1, ?)", STEPS.length);
}

/** A row of `uploads`. Stored names stay; `row-mapping.ts` maps them to those of the core. */
export interface UploadRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly state: UploadState;
  /** The key of the person whose upload it is. */
  readonly creator: string | null;
  /** What Stream is told; null: the subject, "": nothing. */
  readonly label: string | null;
  readonly uid: string | null;
  readonly location: string | null;
  readonly idempotency: string | null;
  readonly fingerprint: string | null;
  readonly upstream: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly created: number;
  /** Start of the day that it counts for, if `created` is before it; null: `created` decides. */
  readonly day: number | null;
  readonly expires: number;
  /** When the video has to be checked or deleted at Stream; null: never. */
  readonly due: number | null;
  readonly failure: string | null;
  /** `deletionRequested`, as 0 or 1. */
  readonly unwanted: number;
  /** `rounds`, of which 0.1 counts those of restored videos: after a rollback, its events continue the numbers. */
  readonly returns: number;
  /** 1: measured by Stream; 0: still the reservation. */
  readonly bytes_measured: number;
  readonly seconds_measured: number;
  /** JSON: the latest video object from Stream. */
  readonly video: string | null;
  /** 1: the answer to the creation was lost, so no client has the upload URL. */
  readonly lost: number;
  /** Failed deletions of the video. */
  readonly deletions: number;
  /** The totals that were stored next include the upload: see `LedgerStore`. */
  readonly batch: number;
  /** The `jti` of the grant that it was created with. */
  readonly grant_id: string | null;
  /** The tenant's own id for it, from the grant. */
  readonly reference: string | null;
  readonly name: string | null;
  /** JSON object of text: the custom metadata that was sent to Stream. */
  readonly meta: string | null;
  /** Null: an upload. */
  readonly source: "copy" | "clip" | null;
  /** The uid of the video that a clip was made of. */
  readonly clipped_from: string | null;
  /** The seconds from before an edit of which it is not known yet what became; null: there is none. */
  readonly editing: number | null;
}

/** The columns of a new upload; the others get their defaults. */
export type NewUpload = Pick<
  UploadRow,
  "id" | "state" | "upstream" | "bytes" | "seconds" | "created" | "expires" | "due"
> &
  Partial<UploadRow>;
