import {
  type CurrentUsage,
  type LimitUse,
  type RequestedUpload,
  checkLimits,
  limitUses,
  rateStatus,
  rateUses,
} from "../../core/quota/rules/check-limits.ts";
import { resolveIdempotency, withoutQuestions } from "../../core/quota/rules/idempotency.ts";
import type { Limits } from "../../core/quota/rules/limits.ts";
import {
  CREATION_IN_PROGRESS,
  EXPIRING_LOCK_SECONDS,
  type ExpiringUpload,
  type ReservationOutcome,
  type ReservationRequest,
} from "../../core/quota/rules/reservation.ts";
import { applyToTotals } from "../../core/quota/rules/usage-totals.ts";
import { isLive } from "../../core/uploads/rules/upload-state.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import type { LedgerHost } from "./host.ts";
import type { LedgerQueries } from "./queries.ts";
import { RecentCreations } from "./recent-creations.ts";
import { reservedUpload } from "./row-mapping.ts";
import type { NewUpload, UploadRow } from "./schema.ts";
import type { LedgerStore } from "./store.ts";
import type { UploadWriter } from "./upload-writer.ts";

/** Uploads that are asked about at once; more than that are asked about twice, which costs one call more. */
const MAX_ASKED = 1_000;

interface UsageRequest extends RequestedUpload {
  readonly limits: Limits;
}

/** Admits creations to one ledger: checks version, idempotency key and limits, and reserves. */
export class Admissions {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #writer: UploadWriter;
  readonly #host: LedgerHost;
  readonly #recent: RecentCreations;
  /** Until when a request may ask Stream about an upload, by upload id. */
  readonly #askedUntil = new Map<string, number>();

  constructor(store: LedgerStore, queries: LedgerQueries, writer: UploadWriter, host: LedgerHost) {
    this.#store = store;
    this.#queries = queries;
    this.#writer = writer;
    this.#host = host;
    this.#recent = new RecentCreations((after) => queries.reservedAfter(after));
  }

  reserve(request: ReservationRequest): ReservationOutcome {
    if (request.version < this.#store.version) return { kind: "stale" };
    const time = this.#host.now();
    const { idempotency, limits, answerSeconds } = request;
    const existing = idempotency && this.#queries.byIdempotency(idempotency.key);
    const resolved = idempotency && existing && resolveIdempotency(idempotency, existing, time, answerSeconds);
    if (resolved && resolved.kind !== "free") {
      const outcome = resolved.kind === "expiring" ? this.#askOnce(resolved.upload, time) : resolved;
      return answerSeconds === undefined ? withoutQuestions(outcome) : outcome;
    }
    const usage = this.#currentUsage(request, existing, time);
    const problem = checkLimits(limits, usage, request, time);
    if (problem) return { kind: "refused", problem };

    const upload = reservedUpload(request, time);
    if (existing) this.#takeOverKey(existing, upload);
    else this.#writer.insert(upload);
    this.#recent.add({ id: request.id, creator: request.creator ?? null, created: time });
    return { kind: "reserved", rate: rateStatus(usage.rates, 1) };
  }

  /** What is used of the limits that count an upload. Counts nothing. */
  limitUses(limits: Limits, upload: RequestedUpload): LimitUse[] {
    return limitUses(limits, this.#currentUsage({ limits, ...upload }, undefined, this.#host.now()), upload);
  }

  /** The creation was not sent to Stream, so it does not count for the rate limits. */
  forget(id: string): void {
    this.#recent.remove(id);
  }

  /** @param existing the holder of the key: a lost upload stops counting once the new one supersedes it */
  #currentUsage({ limits, creator }: UsageRequest, existing: UploadRow | undefined, time: number): CurrentUsage {
    const superseded = existing && isLive(existing.state) ? existing : undefined;
    const totals = this.#store.totals(time);
    const pending =
      creator === undefined || limits.pendingPerCreator === undefined ? 0 : this.#queries.countPendingOf(creator);
    return {
      totals: superseded ? applyToTotals(totals, superseded, { ...superseded, state: "cancelled", lost: 1 }) : totals,
      creatorPending: pending - (superseded && superseded.creator === creator ? 1 : 0),
      rates: limits.rate ? rateUses(limits.rate, creator, this.#recent.at(time), time) : [],
      nextExpiry: () => this.#queries.nextExpiry(),
    };
  }

  /** Moves the idempotency key of a dead or lost upload to a new one. */
  #takeOverKey(existing: UploadRow, upload: NewUpload): void {
    this.#store.transaction(() => {
      if (isLive(existing.state)) this.#writer.apply(existing, { kind: "superseded" }, { idempotency: null });
      else this.#writer.update(existing, { idempotency: null });
      this.#writer.insert(upload);
    });
  }

  /** Lets one request at a time ask Stream about an upload whose URL is about to expire. */
  #askOnce(upload: ExpiringUpload, time: number): ReservationOutcome {
    const isAsked = (this.#askedUntil.get(upload.id) ?? 0) > time;
    if (isAsked) return { kind: "refused", problem: CREATION_IN_PROGRESS };
    setBounded(this.#askedUntil, upload.id, time + EXPIRING_LOCK_SECONDS, MAX_ASKED);
    return { kind: "expiring", upload };
  }
}
