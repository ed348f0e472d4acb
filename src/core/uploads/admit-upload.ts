import { versionOf } from "../auth/authenticate.ts";
import type { Caller } from "../auth/rules/caller.ts";
import type { Decision } from "../policy/rules/policy-decision.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { RecentRejections } from "../ports/recent-rejections.ts";
import type { IdempotencyRequest, ReservationOutcome, ReservationRequest } from "../quota/rules/reservation.ts";
import { upstreamBusy } from "../budget/acquire-call.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import { describeMetadata } from "./rules/correlation.ts";
import type { CreationRequest } from "./rules/tus-creation.ts";

export interface AdmitPorts {
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly refusals: RecentRejections;
  readonly newUploadId: () => string;
}

/** A creation that the caller is authorized for and the policy allows. */
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
 * Reserves quota in the tenant's ledger and a call in the upstream's budget, in parallel. If one refuses, the other is
 * given back. A replayed creation needs no call.
 *
 * All tenants of an upstream share one budget. A tenant that its ledger has recently refused therefore waits for the
 * ledger first, so that its repeated requests do not load the budget.
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
    ...correlate(caller, decision),
  });
  if (refusals.has(tenant.id)) {
    const reservation = await reserving;
    if (reservation.kind !== "reserved") return reservation;
  }
  const [reservation, call] = await Promise.all([reserving, budget.acquire(upstream, tenant.id, "foreground")]);
  if (reservation.kind !== "reserved") {
    refusals.note(tenant.id);
    if (call.granted) await budget.refund(upstream, tenant.id);
    return reservation;
  }
  if (call.granted) return { ...reservation, id };
  await ledgers.release(tenant.id, id, "unsent");
  return { kind: "refused", problem: upstreamBusy(call.retryAfterSeconds) };
}

/** What the tenant's backend knows the upload by. */
function correlate(
  { grant, credential }: Caller,
  { metadata }: Decision,
): Pick<ReservationRequest, "name" | "meta" | "grant" | "reference"> {
  const { name, meta } = describeMetadata(metadata);
  return {
    ...(name !== undefined && { name }),
    ...(meta && { meta: JSON.stringify(meta) }),
    ...(grant && { grant: credential }),
    ...(grant?.reference !== undefined && { reference: grant.reference }),
  };
}
