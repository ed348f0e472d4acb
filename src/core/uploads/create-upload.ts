import { type AuthenticatePorts, TENANT_CHANGING, authenticate, callerFields } from "../auth/authenticate.ts";
import { type ProvisionTenantPorts, provisionTenant } from "../auth/provision-tenant.ts";
import { decideUpload } from "../policy/decide-upload.ts";
import { sizeOf } from "../policy/rules/policy-decision.ts";
import { narrow } from "../policy/rules/policy.ts";
import { GRANT_KEY, SLUICE_KEY } from "../policy/rules/reserved-keys.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Trace } from "../ports/trace.ts";
import type { VideoTags } from "../ports/video-tags.ts";
import type { RateStatus } from "../quota/rules/limits.ts";
import { unmeetableLimit } from "../quota/rules/unmeetable-limit.ts";
import { uploadBounds } from "../quota/rules/upload-bounds.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import { type Admission, type AdmitPorts, type DecidedCreation, admit } from "./admit-upload.ts";
import { resolveIdempotencyKey } from "./idempotency-key.ts";
import { summarizeDecision } from "./rules/decision-summary.ts";
import { type DirectUploadBody, readDirectUpload, writeDirectUpload } from "./rules/direct-upload.ts";
import { type CreationRequest, type HeaderReader, parseCreation } from "./rules/tus-creation.ts";
import { encodeUploadMetadata } from "./rules/upload-metadata.ts";

export interface CreateUploadPorts extends AuthenticatePorts, AdmitPorts, ProvisionTenantPorts {
  readonly registry: CachedRegistry;
  readonly stream: StreamApi;
  readonly tags: VideoTags;
}

export interface CreateUploadRequest {
  /** The tenant in the path. */
  readonly tenant: string;
  readonly header: HeaderReader;
  /** Body of a basic link request; absent for a tus creation, which has only headers. */
  readonly direct?: DirectUploadBody;
  /** Keeps the work running after the client disconnects (`ExecutionContext.waitUntil`). */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** What the client needs in order to upload. */
export interface CreatedUpload {
  readonly id: string;
  /** Stream's identifier of the video. */
  readonly uid: string;
  /** The one-time upload URL. */
  readonly location: string;
  /** When the upload URL expires, in seconds since the epoch. */
  readonly expiresAt: number;
  /** True if an earlier request with the same idempotency key or grant created this upload. */
  readonly replayed: boolean;
  /** Current state of the limit of creations per minute; absent if there is none, and for a replay. */
  readonly rate?: RateStatus;
}

/**
 * Creates an upload: parses the request, authenticates the caller, applies the policy, reserves quota and budget, and
 * requests the upload URL from Stream (for tus, or for a single form). The first step that fails ends the creation.
 *
 * The functions below are in call order.
 */
export async function createUpload(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  const { header, direct } = request;
  const creation = direct ? readDirectUpload(direct, header("upload-creator")) : parseCreation(header);
  if (!creation.ok) return creation;
  trace.annotate({ uploadLength: creation.value.length });

  const decided = await decideCreation(ports, request, creation.value, trace);
  if (!decided.ok) return decided;

  // If the client disconnects, a video that Stream has created must still be recorded.
  const outcome = admitAndForward(ports, request, creation.value, decided.value, trace);
  request.waitUntil(outcome);
  return outcome;
}

/** Authenticates the caller, looks up the tenant's upstream, applies the policy and what limits can never admit. */
async function decideCreation(
  ports: AuthenticatePorts,
  { tenant: id, header }: CreateUploadRequest,
  creation: CreationRequest,
  trace: Trace,
): Promise<Result<DecidedCreation>> {
  const grant = creation.metadata.get(GRANT_KEY);
  const credentials = { tenant: id, header, grant: typeof grant === "object" ? "" : grant };
  const access = await trace.measure("authenticate", authenticate(ports, credentials, "uploads:create"));
  if (!access.ok) return access;
  const { caller, tenant } = access.value;
  trace.annotate({ ...callerFields(access.value), upstream: tenant.upstream });

  const upstream = requireUpstream(await ports.registry.upstream(tenant.upstream, "trusted"));
  if (!upstream.ok) return upstream;

  const origin = header("origin");
  const { result: decision, explanations } = await decideUpload(ports.hashes, narrow(tenant.policy, caller.policy), {
    ...creation,
    ...(origin !== undefined && { origin }),
    caller,
    now: ports.now(),
    bounds: uploadBounds(upstream.value, tenant.limits),
  });
  trace.annotate({ decision: summarizeDecision(explanations) });
  if (!decision.ok) return decision;
  trace.annotate({ maxDurationSeconds: decision.value.maxDurationSeconds });
  const unmeetable = unmeetableLimit(tenant.limits, sizeOf(decision.value, tenant.id), creation.kind);
  if (unmeetable) return err(unmeetable);

  const idempotency = await resolveIdempotencyKey(ports.hashes, caller, creation, header("idempotency-key"));
  if (!idempotency.ok) return idempotency;
  return ok({
    kind: creation.kind,
    tenant,
    caller,
    decision: decision.value,
    upstream: upstream.value,
    ...(idempotency.value && { idempotency: idempotency.value }),
  });
}

/** Reserves quota and budget and acts on the answer; if the tenant was made or has changed, decides again, once. */
async function admitAndForward(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  creation: CreationRequest,
  decided: DecidedCreation,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  if (decided.tenant.isProspect) {
    const made = await provisionTenant(ports, decided);
    if (!made.ok) return made;
  } else {
    const admission = await trace.measure("admit", admit(ports, decided));
    if (admission.kind !== "stale") return handleAdmission(ports, decided, admission, trace);
  }

  // The tenant was made now, or the cached one is out of date: read the registry past the cache.
  const retried = await decideCreation({ ...ports, registry: ports.registry.uncached }, request, creation, trace);
  if (!retried.ok) return retried;
  return handleAdmission(ports, retried.value, await trace.measure("admit", admit(ports, retried.value)), trace);
}

/** Rejects the creation, replays an earlier one, or forwards it to Stream. */
async function handleAdmission(
  ports: CreateUploadPorts,
  creation: DecidedCreation,
  admission: Admission,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  switch (admission.kind) {
    case "refused":
      return err(admission.problem);
    case "stale":
      return err(TENANT_CHANGING);
    case "replayed": {
      const { id, uid, location, expires } = admission;
      trace.annotate({ uploadId: id, uid });
      return ok({ id, uid, location, expiresAt: expires, replayed: true });
    }
    case "reserved":
      return forward(ports, creation, admission, trace);
    default:
      return admission satisfies never;
  }
}

/** Requests the upload URL from Stream, then attaches it to the reservation, or releases it, or marks it unknown. */
async function forward(
  { stream, ledgers, tags }: CreateUploadPorts,
  { kind, tenant, decision, upstream }: DecidedCreation,
  { id, rate }: Extract<Admission, { kind: "reserved" }>,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  trace.annotate({ uploadId: id });
  const { length, creator } = decision;
  const metadata = new Map([...decision.metadata, [SLUICE_KEY, await tags.sign(tenant.id, id)]]);
  const call =
    kind === "direct"
      ? stream.createDirect(upstream, writeDirectUpload(metadata, creator))
      : stream.create(upstream, {
          length,
          metadata: encodeUploadMetadata(metadata),
          ...(creator !== undefined && { creator }),
        });
  const outcome = await trace.measure("stream", call);
  trace.annotate({
    upstreamOutcome: outcome.kind,
    ...(outcome.status !== undefined && { upstreamStatus: outcome.status }),
  });

  switch (outcome.kind) {
    case "created": {
      const { uid, location } = outcome;
      trace.annotate({ uid });
      // Persist before responding, so that an acknowledged upload survives a crash.
      const attached = await trace.measure("attach", ledgers.attach(tenant.id, id, uid, location));
      if (!attached.ok) return attached;
      return ok({ id, uid, location, expiresAt: decision.expiresAt, replayed: false, ...(rate && { rate }) });
    }
    case "refused":
      await ledgers.release(tenant.id, id, "refused");
      return err(outcome.problem);
    case "unknown":
      await (outcome.uid === undefined
        ? ledgers.markUnknown(tenant.id, id)
        : ledgers.cancelOrphaned(tenant.id, id, outcome.uid));
      return err(outcome.problem);
    default:
      return outcome satisfies never;
  }
}
