import type { UploadEventBody } from "../../core/webhooks/rules/upload-event.ts";
import type { StoredAttempt } from "../../adapters/durable-objects/ledger-rpc.ts";
import type { EventPage, EventQuery, PendingEvent, WebhookEvent } from "../../core/webhooks/rules/delivery.ts";

/** Retention of events: time to find the cause of failed deliveries and redeliver. */
const KEEP_EVENTS_SECONDS = 30 * 24 * 60 * 60;
/** Rows read and deleted per `prune`, so that each alarm stays short. */
const PRUNE_ROWS = 500;

/** An event that has to be sent to the queue, with its sequence number. */
export interface NumberedEvent extends PendingEvent {
  readonly seq: number;
}

/** An event that was sent, perhaps in vain. */
export interface SentEvent extends NumberedEvent {
  readonly created: number;
}

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
 * The webhook events of a tenant and their delivery attempts. Events are written in the transaction that changes the
 * upload. Event ids contain the sequence number, so look-ups need no separate index.
 */
export class Outbox {
  readonly #sql: SqlStorage;
  /** Of event ids. Contains the tenant, since one endpoint may serve several. Webhook ids must not contain a full stop. */
  readonly #prefix: string;

  constructor(sql: SqlStorage, tenant: string) {
    this.#sql = sql;
    this.#prefix = `evt_${tenant}_`;
  }

  add(body: UploadEventBody, now: number): void {
    this.#sql.exec("INSERT INTO events (created, body) VALUES (?, ?)", now, JSON.stringify(body));
  }

  /** The oldest events after a sequence number. */
  after(seq: number, limit: number): readonly NumberedEvent[] {
    const rows = this.#events("SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit);
    return rows.map((row) => ({ seq: row.seq, event: this.#event(row) }));
  }

  /** The oldest of these events. @param seqs query of their sequence numbers */
  sent(seqs: string, limit: number, ...values: number[]): readonly SentEvent[] {
    return this.#sql
      .exec<EventRow & { created: number; attempted: string }>(
        `SELECT *, (SELECT json_group_array(endpoint) FROM attempts WHERE event = seq) AS attempted
         FROM events WHERE seq IN (${seqs}) ORDER BY seq LIMIT ${limit}`,
        ...values,
      )
      .toArray()
      .map(({ seq, body, created, attempted }) => {
        // Parsed when it is needed: hardly ever, of up to thousands in one alarm.
        const event = () => this.#event({ seq, body });
        return {
          seq,
          created,
          attempted: JSON.parse(attempted) as string[],
          get event() {
            return event();
          },
        };
      });
  }

  list({ cursor, limit }: EventQuery): EventPage {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : (this.#seqOf(cursor) ?? 0);
    const rows = this.#events("SELECT seq, body FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?", before, limit);
    const events = rows.map((row) => this.#event(row));
    const last = events.at(-1);
    return { events, ...(last && events.length === limit && { cursor: last.id }) };
  }

  /** An event with its attempts, oldest first. */
  find(id: string): (WebhookEvent & { readonly attempts: readonly StoredAttempt[] }) | undefined {
    const seq = this.#seqOf(id);
    const [row] = seq === undefined ? [] : this.#events("SELECT seq, body FROM events WHERE seq = ?", seq);
    if (!row) return undefined;
    const attempts = this.#sql
      .exec<AttemptRow>("SELECT * FROM attempts WHERE event = ? ORDER BY at", row.seq)
      .toArray()
      .map((attempt) => attemptOf(attempt));
    return { ...this.#event(row), attempts };
  }

  /** Does nothing if the event has been pruned. */
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

  /** Deletes old events, but never the newest: SQLite would reuse its sequence number, and so its id. */
  prune(now: number): void {
    // The oldest events have the lowest sequence numbers, so reading PRUNE_ROWS rows is enough.
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

  #event({ seq, body }: EventRow): WebhookEvent {
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
