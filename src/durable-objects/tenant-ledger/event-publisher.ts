import { publishEvents } from "../../core/webhooks/publish-events.ts";
import { rfc3339 } from "../../core/shared/time.ts";
import { HANDOVER_PAUSE_SECONDS, nextHandover } from "../../core/webhooks/rules/retry-policy.ts";
import type { LedgerDependencies } from "../../dependencies.ts";
import type { LedgerHost } from "./host.ts";
import type { NumberedEvent, Outbox, SentEvent } from "./outbox.ts";
import type { LedgerStore } from "./store.ts";

/** Events per read. */
const BATCH = 50;
/** Age of an event that its commit did not publish. */
const LATE_SECONDS = 60;
/** Events per read of a check, most of which are not sent. */
const CHECK_BATCH = 500;

/** Events that were sent once and never checked. */
const UNCHECKED = "FROM events WHERE seq > (SELECT seq FROM checked_events) AND seq <= ? ORDER BY seq LIMIT ?";

type Ports = Pick<LedgerDependencies, "registry" | "deliveries">;

/**
 * Sends a tenant's events to the queue. Each is sent, and checked once, in order. Those that an endpoint lacks then are sent again, and
 * get a row in `handovers`, for the next check.
 */
export class EventPublisher {
  readonly #sql: SqlStorage;
  readonly #store: LedgerStore;
  readonly #outbox: Outbox;
  readonly #tenant: string;
  readonly #host: LedgerHost;
  #publishing = false;
  /** Seconds since the epoch. */
  #lastCheck = 0;

  constructor(sql: SqlStorage, store: LedgerStore, outbox: Outbox, tenant: string, host: LedgerHost) {
    this.#sql = sql;
    this.#store = store;
    this.#outbox = outbox;
    this.#tenant = tenant;
    this.#host = host;
  }

  hasUnpublished(): boolean {
    return this.#outbox.after(this.#store.published, 1).length > 0;
  }

  /** Sends the events that were never sent. @returns false if that failed: call it again later */
  async publish(use: () => Ports): Promise<boolean> {
    if (this.#publishing || !this.hasUnpublished()) return true;
    this.#publishing = true;
    try {
      const pending = () => this.#outbox.after(this.#store.published, BATCH);
      const done = (events: readonly NumberedEvent[]) => {
        const now = this.#host.now();
        // What an outage has held up is no loss yet, however old it is.
        if (events.some(({ event }) => event.body.timestamp < rfc3339(now - LATE_SECONDS))) this.#lastCheck = now;
        this.#store.transaction(() => this.#store.markPublished(lastOf(events), now));
      };
      return await publishEvents({ ...use(), pending, done }, this.#tenant);
    } finally {
      this.#publishing = false;
    }
  }

  /** When `handOver` has something to check, in seconds since the epoch. */
  nextHandover(): number | undefined {
    const query = `SELECT min(at) AS at FROM (SELECT min(due) AS at FROM handovers
      UNION ALL SELECT * FROM (SELECT iif(created > ?, 0, created) + ? ${UNCHECKED}))`;
    const now = this.#host.now();
    if (this.#lastCheck > now) this.#lastCheck = 0; // The clock went back.
    const values = [now, HANDOVER_PAUSE_SECONDS, this.#store.published, 1];
    const { at } = this.#sql.exec<{ at: number | null }>(query, ...values).one();
    return at === null ? undefined : Math.max(at, this.#lastCheck + HANDOVER_PAUSE_SECONDS);
  }

  /** Sends events again that may be lost, at most once per pause, also if that fails. */
  async handOver(use: () => Ports): Promise<void> {
    const now = this.#host.now();
    if ((this.nextHandover() ?? Infinity) > now) return;
    this.#lastCheck = now;
    const pending = () => this.#due(now);
    const done = (events: readonly SentEvent[], lacking: readonly SentEvent[]) =>
      this.#store.transaction(() => this.#markChecked(events, lacking, now));
    await publishEvents({ ...use(), pending, done }, this.#tenant);
  }

  /** The oldest events that are due to be checked. */
  #due(now: number): readonly SentEvent[] {
    const seqs = `SELECT event FROM handovers WHERE due <= ? UNION ALL SELECT * FROM (SELECT seq ${UNCHECKED})`;
    const events = this.#outbox.sent(seqs, CHECK_BATCH, now, this.#store.published, CHECK_BATCH);
    // A clock that went back leaves events in the future, which must not hold up those after them.
    const recent = events.findIndex(({ created }) => created <= now && created > now - HANDOVER_PAUSE_SECONDS);
    return recent < 0 ? events : events.slice(0, recent);
  }

  /** @param lacking those that an endpoint lacks */
  #markChecked(events: readonly SentEvent[], lacking: readonly SentEvent[], now: number): void {
    this.#sql.exec("DELETE FROM handovers WHERE due <= ? AND event <= ?", now, lastOf(events));
    for (const { seq, created } of lacking) {
      const next = nextHandover(created, now);
      if (next) this.#sql.exec("INSERT INTO handovers VALUES (?, ?)", next, seq);
    }
    this.#sql.exec("UPDATE checked_events SET seq = max(seq, ?)", lastOf(events));
  }
}

function lastOf(events: readonly NumberedEvent[]): number {
  return events.at(-1)?.seq ?? 0;
}
