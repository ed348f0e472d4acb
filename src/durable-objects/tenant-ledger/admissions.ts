import {
  type CurrentUsage,
  type LimitUse,
  type RequestedUpload,
  checkLimits,
  limitUses,
  rateStatus,
  rateUses,
} from "../../core/quota/rules/check-limits.ts";
import { type IdempotencyOutcome, resolveIdempotency, withoutQuestions } from "../../core/quota/rules/idempotency.ts";
import type { Limits } from "../../core/quota/rules/limits.ts";
import {
  EXPIRING_LOCK_SECONDS,
  type ExpiringUpload,
  type IdempotencyRequest,
  MAX_CREATION_SECONDS,
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

/** How long repeats of creations of version 0.1 are found: a grant lasts as long, and so do most keys of clients. */
const FORMER_KEYS_SECONDS = 24 * 60 * 60;

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
    const { idempotency, limits, answerSeconds = MAX_CREATION_SECONDS } = request;
    const existing = idempotency && this.#holderOf(idempotency, time);
    const resolved = idempotency && this.#resolve(idempotency, existing, time, answerSeconds);
    if (resolved && resolved.kind !== "free") {
      const outcome = resolved.kind === "expiring" ? this.#askOnce(resolved.upload, time) : resolved;
      return request.answerSeconds === undefined ? withoutQuestions(outcome) : outcome;
    }
    const superseded = idempotency ? this.#supersededBy(idempotency, existing, time, answerSeconds) : [];
    const usage = this.#currentUsage(request, superseded, time);
    const problem = checkLimits(limits, usage, request, time);
    if (problem) return { kind: "refused", problem };

    const upload = reservedUpload(request, time);
    if (existing || superseded.length > 0) this.#replace(existing, superseded, upload);
    else this.#writer.insert(upload);
    this.#recent.add({ id: request.id, creator: request.creator ?? null, created: time });
    return { kind: "reserved", rate: rateStatus(usage.rates, 1) };
  }

  /** The upload that holds the key; for a day after the keys got another form, also in their former one. */
  #holderOf({ key, formerKey, perGrant, fingerprint }: IdempotencyRequest, time: number): UploadRow | undefined {
    const holder = this.#queries.byIdempotency(key);
    if (holder || formerKey === undefined || time >= this.#store.rekeyed + FORMER_KEYS_SECONDS) return holder;
    const former = this.#queries.byIdempotency(formerKey);
    // The former key of a grant was that of all its files.
    return perGrant && former?.fingerprint !== fingerprint ? undefined : former;
  }

  #resolve(
    request: IdempotencyRequest,
    existing: UploadRow | undefined,
    time: number,
    answerSeconds: number,
  ): IdempotencyOutcome {
    const { prefix = "" } = request.perGrant ?? {};
    const countReachable = () => this.#queries.countReachable(prefix, time, answerSeconds);
    return resolveIdempotency(request, existing, time, answerSeconds, countReachable);
  }

  /**
   * The live uploads that a new one replaces, since no client has their URLs: the one that holds its key, and those of its grant.
   * If these stayed, a late answer would let the grant have one upload more than it is for.
   */
  #supersededBy(
    { perGrant }: IdempotencyRequest,
    existing: UploadRow | undefined,
    time: number,
    answerSeconds: number,
  ): UploadRow[] {
    const ofGrant = perGrant ? this.#queries.lostOfGrant(perGrant.prefix, time, answerSeconds) : [];
    const others = ofGrant.filter(({ id }) => id !== existing?.id);
    return existing && isLive(existing.state) ? [existing, ...others] : others;
  }

  /** What is used of the limits that count an upload. Counts nothing. */
  limitUses(limits: Limits, upload: RequestedUpload): LimitUse[] {
    return limitUses(limits, this.#currentUsage({ limits, ...upload }, [], this.#host.now()), upload);
  }

  /** The creation was not sent to Stream, so it does not count for the rate limits. */
  forget(id: string): void {
    this.#recent.remove(id);
  }

  /** @param superseded stop counting once the new upload supersedes them */
  #currentUsage({ limits, creator }: UsageRequest, superseded: readonly UploadRow[], time: number): CurrentUsage {
    const pending =
      creator === undefined || limits.pendingPerCreator === undefined ? 0 : this.#queries.countPendingOf({ creator });
    return {
      totals: superseded.reduce(
        (totals, row) => applyToTotals(totals, row, { ...row, state: "cancelled", lost: 1 }),
        this.#store.totals(time),
      ),
      creatorPending: pending - superseded.filter((row) => row.creator === creator).length,
      rates: limits.rate ? rateUses(limits.rate, creator, this.#recent.at(time), time) : [],
      nextRelease: (of) => this.#queries.nextRelease(of === "creator" ? creator : undefined),
    };
  }

  /** Moves the idempotency key of a dead or lost upload to a new one. */
  #replace(existing: UploadRow | undefined, superseded: readonly UploadRow[], upload: NewUpload): void {
    this.#store.transaction(() => {
      for (const row of superseded) this.#writer.apply(row, { kind: "superseded" }, { idempotency: null });
      if (existing && !isLive(existing.state)) this.#writer.update(existing, { idempotency: null });
      this.#writer.insert(upload);
    });
  }

  /** The request that asked Stream about an upload has its answer, or gives up. */
  stopAsking(id: string): void {
    this.#askedUntil.delete(id);
  }

  /** Lets one request at a time ask Stream about an upload whose URL is about to expire. The others wait for it. */
  #askOnce(upload: ExpiringUpload, time: number): ReservationOutcome {
    const isAsked = (this.#askedUntil.get(upload.id) ?? 0) > time;
    if (isAsked) return { kind: "in progress" };
    setBounded(this.#askedUntil, upload.id, time + EXPIRING_LOCK_SECONDS, MAX_ASKED);
    return { kind: "expiring", upload };
  }
}
