import { roundToMilliseconds } from "../../core/quota/rules/usage-totals.ts";
import { type RecentCreation } from "../../core/quota/rules/check-limits.ts";
import {
  DUE_AFTER_EXPIRY_SECONDS,
  LOST_SEARCH_SECONDS,
  LOST_UPLOAD_SECONDS,
  UNANSWERED_SECONDS,
} from "../../core/uploads/rules/due-upload.ts";
import { LIVE_STATES } from "../../core/uploads/rules/upload-state.ts";
import { MAX_ID, lowerBoundAt, timestampOf } from "../../core/uploads/rules/upload-id.ts";
import type { CreatorFilter, UploadQuery } from "../../core/uploads/rules/upload-record.ts";
import { type Condition, LIST, conjunction, rowConditions } from "./list-conditions.ts";
import { creatorParts } from "./creator-conditions.ts";
import type { UploadRow } from "./schema.ts";

/** Other machines create the ids, and their clocks may be this much slow. */
export const CLOCK_SKEW_SECONDS = 60;

/**
 * How far an id's time may be from its upload's `created`: the time from the id to the ledger (or to Stream, for imported
 * uploads), and the difference between the clocks of two machines.
 */
const ID_SLACK_SECONDS = 120;

/**
 * Rows scanned for one page of a list, so that a rare state among a million uploads does not need one long query; and for one
 * `expectedBetween`. Must exceed the number of uploads in any one second.
 */
const MAX_SCAN = 5_000;

/** Sorts after every character of an idempotency key, which is JSON, that may follow a text. */
const AFTER_ALL_KEYS = "~";
/** Uses the index of idempotency keys. */
const OF_GRANT = "idempotency >= ? AND idempotency < ?";

/** All live uploads have a due time, so this condition uses the index of due uploads. */
const LIVE = `due IS NOT NULL AND state IN (${LIVE_STATES.map((state) => `'${state}'`).join(", ")})`;

/** The creation is in progress, or its Worker died. */
const UNANSWERED = "due IS NOT NULL AND lost = 0 AND (state = 'reserved' OR uid IS NULL)";

/** Created too long ago to be answered, or in the future: see `isLost`. */
const TOO_FAR = "abs(created - ?) >= ?";

/** The video has not been found yet. */
export const LOST = "due IS NOT NULL AND uid IS NULL AND lost = 1";

/** The last look, when the upload URL would have expired, is due. */
export const isLastLook = (now: number) => `expires <= ${now - DUE_AFTER_EXPIRY_SECONDS}`;

const isSearchedFor = (now: number) => `(created > ${now - LOST_SEARCH_SECONDS} OR ${isLastLook(now)})`;

type ExpectedRow = Pick<UploadRow, "id" | "uid" | "upstream" | "state">;
interface RecentRow extends RecentCreation, Record<string, SqlStorageValue> {}

/** Reads uploads. Each query is bounded by an index, a limit, or the number of live uploads. */
export class LedgerQueries {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  byId(id: string): UploadRow | undefined {
    return this.#first("SELECT * FROM uploads WHERE id = ?", id);
  }

  byUid(uid: string): UploadRow | undefined {
    return this.#first("SELECT * FROM uploads WHERE uid = ?", uid);
  }

  /** @param idOrUid the upload's id, or the uid of its video */
  find(idOrUid: string): UploadRow | undefined {
    return this.byId(idOrUid) ?? this.byUid(idOrUid);
  }

  byIdempotency(key: string): UploadRow | undefined {
    return this.#first("SELECT * FROM uploads WHERE idempotency = ?", key);
  }

  /**
   * Number of uploads under a grant that a client can reach, or that are finished.
   *
   * @param prefix of the grant's keys
   * @param answerSeconds how long a creation without an answer counts; see `isLost`
   */
  countReachable(prefix: string, now: number, answerSeconds: number): number {
    const reachable = `(state IN ('issued', 'ready', 'failed', 'deleted') OR (state = 'reserved' AND NOT ${TOO_FAR}))`;
    const query = `SELECT count(*) AS value FROM uploads WHERE ${OF_GRANT} AND ${reachable}`;
    return this.#value(query, prefix, `${prefix}${AFTER_ALL_KEYS}`, now, answerSeconds) ?? 0;
  }

  /** Live uploads under a grant whose URL no client has; parameters as for {@link countReachable}. */
  lostOfGrant(prefix: string, now: number, answerSeconds: number): UploadRow[] {
    const lost = `(state = 'unknown' OR (state = 'reserved' AND ${TOO_FAR}))`;
    const query = `SELECT * FROM uploads WHERE ${OF_GRANT} AND ${lost}`;
    return this.#all(query, prefix, `${prefix}${AFTER_ALL_KEYS}`, now, answerSeconds);
  }

  /** Uploads reserved after a time, oldest first. */
  reservedAfter(time: number): RecentCreation[] {
    const query = `SELECT id, creator, created FROM uploads WHERE id >= ? AND created > ? ORDER BY created LIMIT ${MAX_SCAN}`;
    return this.#sql.exec<RecentRow>(query, lowerBoundAt(time - CLOCK_SKEW_SECONDS), time).toArray();
  }

  /** Number of live uploads of a creator. */
  countPendingOf(filter: CreatorFilter): number {
    const [of, values] = this.#of(filter);
    return this.#value(`SELECT count(*) AS value FROM uploads WHERE ${of} AND ${LIVE}`, ...values) ?? 0;
  }

  /** The earliest time at which a live upload, of one creator or of all, may stop holding its reservation. */
  nextRelease(creator: string | undefined): number | undefined {
    const release = `CASE state WHEN 'reserved' THEN created + ${LOST_UPLOAD_SECONDS} ELSE due END`;
    const query = `SELECT min(${release}) AS value FROM uploads WHERE ${LIVE}`;
    return creator === undefined ? this.#value(query) : this.#value(`${query} AND creator = ?`, creator);
  }

  /** The uploads whose video is due by now, earliest first. @param except upstreams that are left out */
  due(now: number, limit: number, except: readonly string[]): (UploadRow & { readonly uid: string })[] {
    return this.#sql
      .exec<UploadRow & { uid: string }>(
        `SELECT * FROM uploads WHERE due <= ? AND uid IS NOT NULL
           AND upstream NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?`,
        now,
        JSON.stringify(except),
        limit,
      )
      .toArray();
  }

  /** Creations without an answer from Stream after so many seconds, that do not count as lost yet. */
  unanswered(now: number, seconds: number, limit: number): UploadRow[] {
    return this.#all(`SELECT * FROM uploads WHERE ${UNANSWERED} AND ${TOO_FAR} LIMIT ?`, now, seconds, limit);
  }

  /** Lost creations that stop holding their reservation by now. */
  lostUntil(now: number, limit: number): UploadRow[] {
    return this.#all(`SELECT * FROM uploads WHERE ${LOST} AND state = 'unknown' AND due <= ? LIMIT ?`, now, limit);
  }

  /** Clips of a video whose own uid is not known: their creation is in progress, or lost. */
  clipsWithoutUid(parent: string): UploadRow[] {
    return this.#all("SELECT * FROM uploads WHERE due IS NOT NULL AND uid IS NULL AND clipped_from = ?", parent);
  }

  /** The upstreams whose videos have to be searched for lost creations. */
  upstreamsToSearch(now: number): string[] {
    return this.#sql
      .exec<{ upstream: string }>(`SELECT DISTINCT upstream FROM uploads WHERE ${LOST} AND ${isSearchedFor(now)}`)
      .toArray()
      .map(({ upstream }) => upstream);
  }

  /** When the lost creations of an upstream were sent that have to be searched for. */
  lostCreations(upstream: string, now: number, limit: number): number[] {
    const query = `SELECT DISTINCT created FROM uploads WHERE ${LOST} AND upstream = ? AND ${isSearchedFor(now)} LIMIT ?`;
    return this.#sql
      .exec<{ created: number }>(query, upstream, limit)
      .toArray()
      .map(({ created }) => created);
  }

  /** The earliest time at which something is due. @param except upstreams whose videos are left out */
  nextDue(except: readonly string[]): number | undefined {
    return this.#value(
      `SELECT min(CASE WHEN ${UNANSWERED} THEN min(due, created + ${UNANSWERED_SECONDS}) ELSE due END) AS value
       FROM uploads
       WHERE due IS NOT NULL AND (uid IS NULL OR upstream NOT IN (SELECT value FROM json_each(?)))`,
      JSON.stringify(except),
    );
  }

  /** Number of videos whose deletion Stream has not confirmed. */
  countPendingDeletions(): number {
    return (
      this.#value("SELECT count(*) AS value FROM uploads WHERE due IS NOT NULL AND unwanted = 1 AND uid IS NOT NULL") ??
      0
    );
  }

  /** One page of uploads. Ids narrow the scan; `created` decides. @returns a cursor if there may be more */
  list(query: UploadQuery): { rows: UploadRow[]; cursor?: string } {
    const { from, to, ascending, cursor, limit, video = {} } = query;
    const order = ascending ? "ASC" : "DESC";
    const bottom = from === undefined ? "" : lowerBoundAt(from - ID_SLACK_SECONDS);
    const top = to === undefined ? MAX_ID : lowerBoundAt(to + ID_SLACK_SECONDS);
    const below = !ascending && cursor !== undefined && cursor < top ? cursor : top;
    const above = ascending && cursor !== undefined && cursor > bottom ? cursor : bottom;
    const span = [from ?? 0, to ?? Number.MAX_SAFE_INTEGER];
    const indexed: Condition[] = [["id < ? AND id > ? AND created >= ? AND created < ?", below, above, ...span]];
    // Without the hint, SQLite would read the table in the order of the ids.
    const table = video.uids ? "uploads INDEXED BY uploads_by_uid" : "uploads";
    if (video.uids) indexed.push([`uid IN ${LIST}`, JSON.stringify(video.uids)]);
    const parts = creatorParts(this.#sql, query).map((part) => conjunction([...indexed, ...part]));
    const values = parts.flatMap(([, ofPart]) => ofPart);
    // SQLite reads the parts in the order of the ids, too, until there are enough.
    const union = parts.map(([where]) => `SELECT * FROM ${table} WHERE ${where}`).join(" UNION ALL ");
    const scannedRows = `${union} ORDER BY id ${order} LIMIT ?`;
    const [filter, filterValues] = conjunction(rowConditions(query));
    if (filter === "") {
      const rows = this.#all(scannedRows, ...values, limit);
      const last = rows.at(-1);
      return { rows, ...(last && rows.length === limit && { cursor: last.id }) };
    }
    const scanned = `(${scannedRows})`;
    const rows = this.#all(
      `SELECT * FROM ${scanned} WHERE ${filter} ORDER BY id ${order} LIMIT ?`,
      ...values,
      MAX_SCAN,
      ...filterValues,
      limit,
    );
    const last =
      rows.length === limit
        ? rows.at(-1)?.id
        : this.#lastOf(`SELECT ${ascending ? "max" : "min"}(id) AS last, count(*) AS rows FROM ${scanned}`, ...values);
    return { rows, ...(last !== undefined && { cursor: last }) };
  }

  /** @returns the id of the last scanned row, or undefined if no rows are left */
  #lastOf(query: string, ...values: (string | number)[]): string | undefined {
    const [block] = this.#sql.exec<{ last: string; rows: number }>(query, ...values, MAX_SCAN).toArray();
    return block?.rows === MAX_SCAN ? block.last : undefined;
  }

  /** Seconds and number of a creator's ready videos. */
  storageOf(filter: CreatorFilter): { readonly seconds: number; readonly videos: number } {
    const [of, values] = this.#of(filter);
    const { seconds, videos } = this.#sql
      .exec<{ seconds: number; videos: number }>(
        `SELECT coalesce(sum(seconds), 0) AS seconds, count(*) AS videos
         FROM uploads WHERE ${of} AND state = 'ready'`,
        ...values,
      )
      .one();
    return { seconds: roundToMilliseconds(seconds), videos };
  }

  /** Seconds that live uploads reserve, of one creator or of all. */
  reservedSeconds(filter: CreatorFilter = {}): number {
    const [of, values] = this.#of(filter);
    return this.#value(`SELECT sum(seconds) AS value FROM uploads WHERE ${LIVE} AND ${of}`, ...values) ?? 0;
  }

  /**
   * The uploads, created from `from` to `to` (inclusive), whose video is expected at Stream. @returns `to` is earlier than
   * requested if there are more than MAX_SCAN uploads
   */
  expectedBetween(upstream: string, from: number, to: number): { readonly rows: ExpectedRow[]; readonly to: number } {
    const block = this.#sql
      .exec<ExpectedRow>(
        "SELECT id, uid, upstream, state FROM uploads WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        lowerBoundAt(from),
        lowerBoundAt(to + 1),
        MAX_SCAN,
      )
      .toArray();
    const last = block.length < MAX_SCAN ? undefined : block.at(-1);
    const reached = last ? Math.max(from, timestampOf(last.id) - 1) : to;
    const rows = block.filter(
      (row) =>
        row.upstream === upstream &&
        row.uid !== null &&
        (row.state === "issued" || row.state === "ready") &&
        row.id < lowerBoundAt(reached + 1),
    );
    return { rows, to: reached };
  }

  #of(filter: CreatorFilter): [sql: string, values: (string | number)[]] {
    const parts = creatorParts(this.#sql, filter).map(conjunction);
    const any = parts.map(([sql]) => sql || "TRUE").join(" OR ");
    return [`(${any})`, parts.flatMap(([, values]) => values)];
  }

  #all(query: string, ...values: (string | number)[]): UploadRow[] {
    return this.#sql.exec<UploadRow>(query, ...values).toArray();
  }

  #first(query: string, value: string): UploadRow | undefined {
    return this.#all(query, value)[0];
  }

  #value(query: string, ...values: (string | number)[]): number | undefined {
    return this.#sql.exec<{ value: number | null }>(query, ...values).toArray()[0]?.value ?? undefined;
  }
}
