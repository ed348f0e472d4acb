import { UNANSWERED_SECONDS } from "../../core/uploads/rules/due-upload.ts";
import type { LedgerHost } from "./host.ts";
import type { LedgerQueries } from "./queries.ts";
import type { UploadRow } from "./schema.ts";
import type { LedgerStore } from "./store.ts";
import type { UploadWriter } from "./upload-writer.ts";

/** Lost creations per call, so that each stays short. */
const BLOCK = 500;

/** The creations of one ledger whose answer from Stream was lost. */
export class LostUploads {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #writer: UploadWriter;
  readonly #host: LedgerHost;

  constructor(store: LedgerStore, queries: LedgerQueries, writer: UploadWriter, host: LedgerHost) {
    this.#store = store;
    this.#queries = queries;
    this.#writer = writer;
    this.#host = host;
  }

  /** Nobody gets the upload URL: Stream's answer was lost. */
  lose(row: UploadRow): void {
    this.#writer.apply(row, row.uid === null ? { kind: "lost" } : { kind: "unreachable", uid: row.uid });
  }

  /**
   * Marks creations without an answer as lost, and ends the reservations of those that are lost for long. Goes through one
   * block of each per call.
   */
  settle(): void {
    this.#store.transaction(() => {
      const now = this.#host.now();
      for (const row of this.#queries.unanswered(now, UNANSWERED_SECONDS, BLOCK)) this.lose(row);
      for (const row of this.#queries.lostUntil(now, BLOCK)) this.#writer.apply(row, { kind: "expired" });
    });
  }

  /** @returns the upstreams that have to be searched for lost videos; the caller asks them, so last looks are postponed */
  startSearch(): readonly string[] {
    return this.#store.transaction(() => {
      const now = this.#host.now();
      const upstreams = this.#queries.upstreamsToSearch(now);
      this.#store.postponeLastLook(now);
      return upstreams;
    });
  }

  /** When the creations of an upstream were sent that have to be searched for; seconds since the epoch. */
  creations(upstream: string): readonly number[] {
    return this.#queries.lostCreations(upstream, this.#host.now(), BLOCK);
  }
}
