import { DurableObject } from "cloudflare:workers";
import { parseConfig } from "../config.ts";
import { createDependencies } from "../dependencies.ts";
import { checkLimits, rateStatus } from "../domain/ledger.ts";
import { type ReservationOutcome, type ReservationRequest, recall } from "../domain/reservation.ts";
import { isLive } from "../domain/upload.ts";
import { settleDueUploads } from "../usecases/settle-due-uploads.ts";
import type { UploadRow } from "./ledger-schema.ts";
import { LedgerStore, type UploadChange } from "./ledger-store.ts";

/** Stream may be a little late in letting a URL die, and its clock may be a little slow. */
const DUE_AFTER_EXPIRY_SECONDS = 60;
/** Each is a call to Stream or two; the rest is done by the next alarm. */
const DUE_PER_ALARM = 20;
/** After an alarm that failed. */
const RETRY_SECONDS = 60;
/** Background work of all tenants is one customer of the budget. */
const BACKGROUND_TENANT = "*";

/**
 * The ledger of one tenant: what it has reserved and uploaded, and what that counts for. An object runs one event at a
 * time, and a method without `await` is one event: each of these is one transaction, and is on disk before it is answered.
 */
export class TenantLedger extends DurableObject<Env> {
  readonly #store: LedgerStore;
  /** Milliseconds since the epoch. */
  #alarmAt: number | null = null;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#store = new LedgerStore(state.storage.sql);
    void state.blockConcurrencyWhile(async () => {
      this.#alarmAt = await state.storage.getAlarm();
    });
  }

  /** Nothing that was decided by an older version of the tenant is accepted any more. */
  learn(version: number): void {
    this.#store.learn(version, now());
  }

  /** Reserves a place for an upload, or says why there is none. */
  reserve(request: ReservationRequest): ReservationOutcome {
    return this.ctx.storage.transactionSync(() => this.#reserve(request, now()));
  }

  #reserve(request: ReservationRequest, time: number): ReservationOutcome {
    if (request.version < this.#store.version()) return { kind: "stale" };

    const { idempotency } = request;
    const earlier = idempotency && this.#store.byIdempotency(idempotency.key);
    const known = idempotency && earlier && recall(idempotency, earlier, time);
    if (known) return known;

    const standing = this.#store.standing(request.limits, request.creator, time);
    const refusal = checkLimits(request.limits, standing, request, time);
    if (refusal) return { kind: "refused", problem: refusal };

    // Its URL is dead; the key goes over to the new one.
    if (earlier) this.#store.change(earlier, { idempotency: null }, time);
    const due = request.expires + DUE_AFTER_EXPIRY_SECONDS;
    this.#store.insert(
      {
        id: request.id,
        state: "reserved",
        creator: request.creator ?? null,
        uid: null,
        location: null,
        idempotency: idempotency?.key ?? null,
        fingerprint: idempotency?.fingerprint ?? null,
        upstream: request.upstream,
        bytes: request.bytes,
        seconds: request.seconds,
        created: time,
        expires: request.expires,
        due,
      },
      time,
    );
    this.#wakeAt(due);
    const rate = rateStatus(request.limits, standing, time);
    return { kind: "reserved", ...(rate && { rate }) };
  }

  /** The reservation has become an upload URL. False: it is no longer one, and the URL must not be handed out. */
  attach(id: string, uid: string, location: string): boolean {
    const row = this.#store.byId(id);
    if (!row || !isLive(row.state)) return false;
    this.#change(row, { state: "issued", uid, location });
    return true;
  }

  /** There is certainly no video: nothing is held any longer, and the same creation may come again. */
  release(id: string): void {
    const row = this.#store.byId(id);
    if (row?.state === "reserved") this.ctx.storage.transactionSync(() => this.#store.delete(row, now()));
  }

  /** Nobody knows whether there is a video: the reservation stays until it can be asked for. */
  leaveUnknown(id: string): void {
    const row = this.#store.byId(id);
    if (row?.state === "reserved") this.#change(row, { state: "unknown" });
  }

  usage() {
    return this.#store.totals(now());
  }

  /**
   * Finds out what became of uploads whose time is over. Alarms come at least once, and give up after six failures; so
   * this one never fails, and sets the next itself.
   */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    let retryAt: number | undefined;
    try {
      retryAt = await this.#settleDue();
      this.#store.prune(now());
    } catch (error) {
      console.error(`A ledger's alarm failed: ${error instanceof Error ? error.message : String(error)}`);
      retryAt = now() + RETRY_SECONDS;
    }
    const nextDue = this.#store.nextDue();
    if (nextDue !== undefined) this.#wakeAt(Math.max(nextDue, retryAt ?? now() + 1));
  }

  #settleDue(): Promise<number | undefined> {
    const { registry, stream, budget } = createDependencies(this.env, parseConfig(this.env));
    return settleDueUploads({
      registry,
      stream,
      budget,
      due: () => this.#store.due(now(), DUE_PER_ALARM),
      settle: ({ id }, change) => {
        // While Stream was asked, others may have had their turn.
        const row = this.#store.byId(id);
        if (row && isLive(row.state)) this.#change(row, change.state ? { ...change, location: null } : change);
      },
      now,
      tenant: BACKGROUND_TENANT,
    });
  }

  #change(row: UploadRow, change: UploadChange): void {
    this.ctx.storage.transactionSync(() => this.#store.change(row, change, now()));
  }

  /** Sets the alarm, unless an earlier one is set: within the same transaction as what it is for. */
  #wakeAt(seconds: number): void {
    const milliseconds = seconds * 1000;
    if (this.#alarmAt !== null && this.#alarmAt <= milliseconds) return;
    this.#alarmAt = milliseconds;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(milliseconds));
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
