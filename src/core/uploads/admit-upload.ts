import type { Caller } from "../auth/rules/caller.ts";
import type { Decision } from "../policy/rules/policy-decision.ts";
import { problem } from "../shared/problem.ts";
import type { IdempotencyRequest, ReservationOutcome } from "../quota/rules/reservation.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { CreationRequest } from "./rules/tus-creation.ts";
import { versionOf } from "../auth/authenticate.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { Budget } from "../ports/budget.ts";
import type { RecentRejections } from "../ports/recent-rejections.ts";
import type { Upstream } from "../stream/rules/upstream.ts";

export interface AdmitPorts {
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly refusals: RecentRejections;
  readonly newUploadId: () => string;
}

/** A creation that may be made, as far as caller and policy are concerned. */
export interface DecidedCreation {
  readonly kind: CreationRequest["kind"];
  readonly tenant: Tenant;
  readonly caller: Caller;
  readonly decision: Decision;
  readonly upstream: Upstream;
  readonly idempotency?: IdempotencyRequest;
}

export type Admission =
  | (Extract<ReservationOutcome, { kind: "reserved" }> & { readonly id: string })
  | Exclude<ReservationOutcome, { kind: "reserved" }>;

/**
 * Asks the tenant's ledger for a place and the upstream's budget for a call, side by side. Where one refuses, what the
 * other gave goes back; a creation that is answered as before needs no call.
 *
 * All tenants of an upstream share one budget: whoever was refused by the ledger a moment ago, and most likely is again, does
 * not keep it busy, however often it asks.
 */
export async function admit(
  { ledgers, budget, refusals, newUploadId }: AdmitPorts,
  { tenant, caller, decision, upstream, idempotency }: DecidedCreation,
): Promise<Admission> {
  const id = newUploadId();
  const reserving = ledgers.reserve(tenant.id, {
    id,
    version: versionOf({ tenant, caller }),
    limits: tenant.limits,
    upstream: upstream.id,
    bytes: decision.length,
    seconds: decision.maxDurationSeconds,
    expires: decision.expiresAt,
    ...(decision.creator !== undefined && { creator: decision.creator }),
    ...(idempotency && { idempotency }),
  });
  if (refusals.has(tenant.id)) {
    const expected = await reserving;
    if (expected.kind !== "reserved") return expected;
  }
  const [reservation, call] = await Promise.all([reserving, budget.acquire(upstream, tenant.id, "foreground")]);
  if (reservation.kind !== "reserved") {
    refusals.note(tenant.id);
    if (call.granted) await budget.refund(upstream, tenant.id);
    return reservation;
  }
  if (call.granted) return { ...reservation, id };
  await ledgers.release(tenant.id, id, "unsent");
  return {
    kind: "refused",
    problem: problem("upstream_busy", "Too many uploads are being created at the moment.", {
      retryAfterSeconds: call.retryAfterSeconds,
    }),
  };
}
