import { versionOf } from "../auth/authenticate.ts";
import type { Caller } from "../auth/rules/caller.ts";
import { storedOwner } from "../auth/rules/person-key.ts";
import type { Decision } from "../policy/rules/policy-decision.ts";
import type { Budget } from "../ports/budget.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { RecentRejections } from "../ports/recent-rejections.ts";
import {
  CREATION_IN_PROGRESS,
  type IdempotencyRequest,
  type ReservationOutcome,
  type ReservationRequest,
} from "../quota/rules/reservation.ts";
import { OPERATIONS } from "../stream/rules/operations.ts";
import { giveBackCalls, takeCalls, upstreamBusy } from "../budget/acquire-call.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import { type ResolveExpiringPorts, resolveExpiringUpload } from "./resolve-expiring-upload.ts";
import { describeMetadata } from "./rules/correlation.ts";
import type { CreationContent } from "./rules/creation-request.ts";

export interface AdmitPorts extends ResolveExpiringPorts {
  readonly ledgers: Ledgers;
  readonly budget: Budget;
  readonly refusals: RecentRejections;
  readonly newUploadId: () => string;
  readonly wait: (seconds: number) => Promise<void>;
  /** Seconds after which a creation without an answer from Stream counts as lost. */
  readonly answerSeconds: number;
}

/** A creation that the caller is authorized for and the policy allows. */
export interface DecidedCreation {
  /** A clip names its parent by the uid. */
  readonly content: CreationContent;
  readonly tenant: Tenant;
  readonly caller: Caller;
  readonly decision: Decision;
  readonly upstream: Upstream;
  readonly idempotency?: IdempotencyRequest;
}

type Reserved = Extract<ReservationOutcome, { kind: "reserved" }> & { readonly id: string };
type AdmissionAttempt = Reserved | Exclude<ReservationOutcome, { kind: "reserved" }>;
export type Admission = Exclude<AdmissionAttempt, { kind: "in progress" | "expiring" }>;

/**
 * Pauses before the ledger is asked again about a creation that another request has in progress. Their sum is less than the
 * time after which tus clients give up.
 */
const REPEAT_AFTER_SECONDS = [1, 2, 4];

/**
 * Admits a creation. A repeat waits for the request that has the same creation in progress, and finds out what became of an
 * upload whose URL is about to expire.
 */
export async function admit(ports: AdmitPorts, creation: DecidedCreation): Promise<Admission> {
  let admission = await admitOrAsk(ports, creation);
  for (const seconds of REPEAT_AFTER_SECONDS) {
    if (admission.kind !== "in progress") return admission;
    await ports.wait(seconds);
    admission = await admitOrAsk(ports, creation);
  }
  return admission.kind === "in progress" ? { kind: "refused", problem: CREATION_IN_PROGRESS } : admission;
}

/** Admits a creation; if that depends on what became of its earlier upload, asks Stream, and then once more the ledger. */
async function admitOrAsk(
  ports: AdmitPorts,
  creation: DecidedCreation,
): Promise<Exclude<AdmissionAttempt, { kind: "expiring" }>> {
  const attempt = await tryAdmit(ports, creation);
  if (attempt.kind !== "expiring") return attempt;
  const { tenant } = creation;
  const { upload } = attempt;
  const resolved = await resolveExpiringUpload(ports, tenant.id, upload);
  await ports.ledgers.stopAsking(tenant.id, upload.id);
  if (!resolved.ok) return { kind: "refused", problem: resolved.problem };
  if (resolved.value === "in use") return { kind: "replayed", ...upload };
  if (resolved.value === "unclear") return { kind: "in progress" };

  const again = await tryAdmit(ports, creation);
  if (again.kind !== "expiring") return again;
  // Stream still processes the video.
  await ports.ledgers.stopAsking(tenant.id, upload.id);
  return { kind: "in progress" };
}

/**
 * Reserves quota in the tenant's ledger and a call in the upstream's budget, in parallel. If one refuses, the other is
 * given back. A replayed creation needs no call. The ledger knows the newest version of the tenant, and the budget that of its
 * plan: either may answer that the creation was decided by an older one.
 *
 * All tenants of an upstream share one budget. A tenant that its ledger has recently refused therefore waits for the
 * ledger first, so that its repeated requests do not load the budget.
 */
async function tryAdmit(
  { ledgers, budget, refusals, newUploadId, answerSeconds }: AdmitPorts,
  { content, tenant, caller, decision, upstream, idempotency }: DecidedCreation,
): Promise<AdmissionAttempt> {
  const id = newUploadId();
  const reserving = ledgers.reserve(tenant.id, {
    id,
    version: versionOf({ tenant, caller }),
    limits: tenant.limits,
    upstream: upstream.id,
    bytes: decision.length,
    seconds: decision.maxDurationSeconds,
    expires: decision.expiresAt,
    ...storedOwner(decision, tenant.id),
    ...(idempotency && { idempotency }),
    ...correlate(caller, decision),
    answerSeconds,
    ...sourceOf(content),
  });
  if (refusals.has(tenant.id)) {
    const reservation = await reserving;
    if (reservation.kind !== "reserved") return reservation;
  }
  const calls = content.kind === "clip" ? OPERATIONS.clipVideo.calls : 1;
  const [reservation, call] = await Promise.all([reserving, takeCalls(budget, upstream, tenant, calls)]);
  const isStale = !call.granted && call.isStale;
  // What the older version of the plan refused may be allowed by now. A replay was decided before.
  if (isStale && reservation.kind === "refused") return { kind: "stale" };
  if (reservation.kind !== "reserved") {
    refusals.note(tenant.id);
    if (call.granted) await giveBackCalls(budget, upstream, tenant.id, calls);
    return reservation;
  }
  if (call.granted) return { ...reservation, id };
  await ledgers.release(tenant.id, id, "unsent");
  return isStale ? { kind: "stale" } : { kind: "refused", problem: upstreamBusy(call.retryAfterSeconds) };
}

/** What makes the video, if no bytes are uploaded. */
function sourceOf(content: CreationContent): Pick<ReservationRequest, "source" | "clippedFrom"> {
  switch (content.kind) {
    case "tus":
    case "direct":
      return {};
    case "copy":
      return { source: "copy" };
    case "clip":
      return { source: "clip", clippedFrom: content.clip.of };
    default:
      return content satisfies never;
  }
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
