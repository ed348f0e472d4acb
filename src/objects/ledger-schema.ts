import type { UploadState } from "../domain/upload.ts";

/**
 * A tenant's uploads and what they count for. Times are seconds since the epoch. Each index is one more row written per
 * creation, so there are no more than are asked for on the way of a creation:
 *
 * - by `id`, when it is attached or released
 * - by `idempotency`, when the same creation comes again
 * - live ones by creator (`pendingPerCreator`); of all creators they are few, so the alarm finds what is due there too
 * - by creator in order of time (`rate.creator`, and a creator's list)
 */
export const LEDGER_SCHEMA = `
  CREATE TABLE IF NOT EXISTS uploads (
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
  CREATE INDEX IF NOT EXISTS live_uploads ON uploads (creator, due) WHERE state IN ('reserved', 'unknown', 'issued');
  CREATE INDEX IF NOT EXISTS uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL;
  CREATE TABLE IF NOT EXISTS ledger (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    totals  TEXT NOT NULL
  );
`;

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
  readonly due: number;
}
