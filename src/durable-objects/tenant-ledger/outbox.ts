import type { UploadEventBody } from "../../core/webhooks/rules/upload-event.ts";
import type { StoredAttempt } from "../../adapters/durable-objects/ledger-rpc.ts";
import type { EventPage, EventQuery, KeptEvent } from "../../core/webhooks/rules/delivery.ts";

/** Time enough to find out what went wrong, and to have it delivered again. */
const KEEP_EVENTS_SECONDS = 30 * 24 * 60 * 60;
/** Looked at, and deleted, at a time, so that no alarm takes long. */
const PRUNE_ROWS = 500;

interface EventRow extends Record<string, SqlStorageValue> {
  readonly seq: number;
  readonly body: string;
}

interface AttemptRow extends Record<string, SqlStorageValue> {
  readonly at: number;
  readonly endpoint: string;
  readonly outcome: string;
  readonly status: number | null;
  readonly reason: string | null;
  readonly milliseconds: number | null;
}

/**
 * Events of a tenant's uploads, written together with what they tell of, and what became of them. Their ids hold their
 * numbers, so they are found without an index.
 */
export class OutboxStore {
  readonly #sql: SqlStorage;
  /** Of an event's id. It holds the tenant, since one endpoint may serve several; a point may not be in it. */
  readonly #prefix: string;

  constructor(sql: SqlStorage, tenant: string) {
    this.#sql = sql;
    this.#prefix = `evt_${tenant}_`;
  }

  add(body: UploadEventBody, now: number): void {
    this.#sql.exec("INSERT INTO events (created, body) VALUES (?, ?)", now, JSON.stringify(body));
  }

  /** The oldest events after one's number, with the number of the last. */
  after(seq: number, limit: number): { readonly events: readonly KeptEvent[]; readonly last: number } {
    const rows = this.#events("SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit);
    return { events: rows.map((row) => this.#event(row)), last: rows.at(-1)?.seq ?? seq };
  }

  hasAfter(seq: number): boolean {
    return this.#events("SELECT seq, body FROM events WHERE seq > ? LIMIT 1", seq).length > 0;
  }

  list({ cursor, limit }: EventQuery): EventPage {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : (this.#seqOf(cursor) ?? 0);
    const rows = this.#events("SELECT seq, body FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?", before, limit);
    const events = rows.map((row) => this.#event(row));
    const last = events.at(-1);
    return { events, ...(last && events.length === limit && { cursor: last.id }) };
  }

  /** The oldest attempts first. */
  find(id: string): (KeptEvent & { readonly attempts: readonly StoredAttempt[] }) | undefined {
    const seq = this.#seqOf(id);
    const [row] = seq === undefined ? [] : this.#events("SELECT seq, body FROM events WHERE seq = ?", seq);
    if (!row) return undefined;
    const attempts = this.#sql
      .exec<AttemptRow>("SELECT * FROM attempts WHERE event = ? ORDER BY at", row.seq)
      .toArray()
      .map((attempt) => attemptOf(attempt));
    return { ...this.#event(row), attempts };
  }

  /** Of an event that is forgotten, nothing is kept. */
  recordAttempt(id: string, { endpoint, at, outcome, status, reason, milliseconds }: StoredAttempt): void {
    const seq = this.#seqOf(id);
    if (seq === undefined) return;
    this.#sql.exec(
      `INSERT OR REPLACE INTO attempts (event, at, endpoint, outcome, status, reason, milliseconds)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM events WHERE seq = ?1)`,
      seq,
      at,
      endpoint,
      outcome,
      status ?? null,
      reason ?? null,
      milliseconds ?? null,
    );
  }

  /** Forgets old events. Never the newest of all: its number, and with it its id, must not come again. */
  prune(now: number): void {
    // The oldest have the lowest numbers; so no more than these are looked at, though most are not old enough.
    const oldest = `SELECT seq, created FROM events WHERE seq < (SELECT max(seq) FROM events)
                    ORDER BY seq LIMIT ${PRUNE_ROWS}`;
    const old = `SELECT seq FROM (${oldest}) WHERE created < ?`;
    const before = now - KEEP_EVENTS_SECONDS;
    this.#sql.exec(`DELETE FROM attempts WHERE event IN (${old})`, before);
    this.#sql.exec(`DELETE FROM events WHERE seq IN (${old})`, before);
  }

  #events(query: string, ...values: number[]): EventRow[] {
    return this.#sql.exec<EventRow>(query, ...values).toArray();
  }

  #event({ seq, body }: EventRow): KeptEvent {
    return { id: `${this.#prefix}${seq}`, body: JSON.parse(body) as UploadEventBody };
  }

  #seqOf(id: string): number | undefined {
    const digits = id.startsWith(this.#prefix) ? id.slice(this.#prefix.length) : "";
    return /^[1-9]\d{0,15}$/.test(digits) ? Number(digits) : undefined;
  }
}

function attemptOf({ at, endpoint, outcome, status, reason, milliseconds }: AttemptRow): StoredAttempt {
  return {
    endpoint,
    at,
    outcome: outcome as StoredAttempt["outcome"],
    ...(status !== null && { status }),
    ...(reason !== null && { reason }),
    ...(milliseconds !== null && { milliseconds }),
  };
}
