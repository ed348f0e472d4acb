import type { LedgerHost } from "./host.ts";
import type { NumberedEvent, Outbox } from "./outbox.ts";
import type { LedgerStore } from "./store.ts";

/** Which events have to be sent to the queue. */
export class EventQueue {
  readonly #store: LedgerStore;
  readonly #outbox: Outbox;
  readonly #host: LedgerHost;

  constructor(store: LedgerStore, outbox: Outbox, host: LedgerHost) {
    this.#store = store;
    this.#outbox = outbox;
    this.#host = host;
  }

  hasUnpublished(): boolean {
    return this.#outbox.after(this.#store.published, 1).length > 0;
  }

  /** The oldest events that were never sent. */
  unpublished(limit: number): readonly NumberedEvent[] {
    return this.#outbox.after(this.#store.published, limit);
  }

  markPublished(events: readonly NumberedEvent[]): void {
    const last = events.at(-1);
    if (last) this.#store.transaction(() => this.#store.markPublished(last.seq, this.#host.now()));
  }
}
