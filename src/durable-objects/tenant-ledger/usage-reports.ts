import {
  type CreatorUsage,
  type Totals,
  type Usage,
  roundToMilliseconds,
} from "../../core/quota/rules/usage-totals.ts";
import type { CreatorFilter } from "../../core/uploads/rules/upload-record.ts";
import type { LedgerHost } from "./host.ts";
import type { LedgerQueries } from "./queries.ts";
import type { LedgerStore } from "./store.ts";

/** What a tenant uses: in all, in a month, per creator, and at Stream. */
export class UsageReports {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #host: LedgerHost;

  constructor(store: LedgerStore, queries: LedgerQueries, host: LedgerHost) {
    this.#store = store;
    this.#queries = queries;
    this.#host = host;
  }

  totals(): Totals {
    return this.#store.totals(this.#host.now());
  }

  ofMonth(start: number): Usage | undefined {
    return this.#store.month(start);
  }

  ofCreator(filter: CreatorFilter): CreatorUsage {
    const { seconds, videos } = this.#queries.storageOf(filter);
    const storedSeconds = roundToMilliseconds(seconds + this.#queries.reservedSeconds(filter));
    return { pending: this.#queries.countPendingOf(filter), videos, storedSeconds };
  }

  /** Seconds and number of ready videos, of one creator or of all. */
  storage(filter: CreatorFilter): { readonly seconds: number; readonly videos: number } {
    if (filter.creator !== undefined) return this.#queries.storageOf(filter);
    const { storedSeconds, videos } = this.totals();
    return { seconds: roundToMilliseconds(storedSeconds - this.#queries.reservedSeconds()), videos };
  }
}
