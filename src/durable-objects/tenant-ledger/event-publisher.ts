import { publishEvents } from "../../core/webhooks/publish-events.ts";
import type { LedgerDependencies } from "../../dependencies.ts";
import type { EventQueue } from "./event-queue.ts";

/** Events per read. */
const PUBLISH_BATCH = 50;

/** Sends a tenant's events to the queue. */
export class EventPublisher {
  readonly #tenant: string;
  readonly #queue: EventQueue;
  readonly #use: () => LedgerDependencies;
  #publishing = false;

  constructor(tenant: string, queue: EventQueue, use: () => LedgerDependencies) {
    this.#tenant = tenant;
    this.#queue = queue;
    this.#use = use;
  }

  /** Sends the events that were never sent. @returns false if that failed: call it again later */
  async publish(): Promise<boolean> {
    if (this.#publishing || !this.#queue.hasUnpublished()) return true;
    this.#publishing = true;
    try {
      const { registry, deliveries } = this.#use();
      const pending = () => this.#queue.unpublished(PUBLISH_BATCH);
      const done = this.#queue.markPublished.bind(this.#queue);
      return await publishEvents({ registry: registry.uncached, deliveries, pending, done }, this.#tenant);
    } finally {
      this.#publishing = false;
    }
  }
}
