import { type AuthenticatePorts, TENANT_CHANGING, authenticate, callerFields } from "../auth/authenticate.ts";
import { type ProvisionTenantPorts, provisionTenant } from "../auth/provision-tenant.ts";
import { decideUpload } from "../policy/decide-upload.ts";
import { sizeOf } from "../policy/rules/policy-decision.ts";
import { narrow } from "../policy/rules/policy.ts";
import { GRANT_KEY, SLUICE_KEY } from "../policy/rules/reserved-keys.ts";
import { mostBytes } from "../policy/rules/upload-checks.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";
import type { Trace } from "../ports/trace.ts";
import type { VideoTags } from "../ports/video-tags.ts";
import type { RateStatus } from "../quota/rules/limits.ts";
import { unmeetableLimit } from "../quota/rules/unmeetable-limit.ts";
import { uploadBounds } from "../quota/rules/upload-bounds.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { OPERATIONS, type Operation } from "../stream/rules/operations.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import { type Admission, type AdmitPorts, type DecidedCreation, admit } from "./admit-upload.ts";
import { findParent } from "./find-parent.ts";
import { resolveIdempotencyKey } from "./idempotency-key.ts";
import { sendCreation } from "./send-creation.ts";
import { summarizeDecision } from "./rules/decision-summary.ts";
import { type ClipBody, readClip, secondsOf } from "./rules/clip.ts";
import { type CopyBody, readCopy } from "./rules/copy.ts";
import { type DirectUploadBody, readDirectUpload } from "./rules/direct-upload.ts";
import type { CreationRequest } from "./rules/creation-request.ts";
import { type HeaderReader, parseCreation } from "./rules/tus-creation.ts";
import { refuseOperation } from "./use-upload.ts";

export interface CreateUploadPorts extends AuthenticatePorts, AdmitPorts, ProvisionTenantPorts {
  readonly registry: CachedRegistry;
  readonly stream: StreamApi;
  readonly tags: VideoTags;
}

export interface CreateUploadRequest {
  /** The tenant in the path. */
  readonly tenant: string;
  readonly header: HeaderReader;
  /** What the body asks for; absent for a tus creation, which has only headers. */
  readonly body?: CreationBody;
  /** Keeps the work running after the client disconnects (`ExecutionContext.waitUntil`). */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** The JSON bodies that create something, each read by its own rules. */
export type CreationBody =
  | { readonly kind: "direct"; readonly json: DirectUploadBody }
  | { readonly kind: "copy"; readonly json: CopyBody }
  /** `of` is the parent: its uid, or the id of its upload. */
  | { readonly kind: "clip"; readonly json: ClipBody; readonly of: string };

/** A creation whose upload URL takes bytes. */
export type UploadRequest = CreateUploadRequest & {
  readonly body?: Extract<CreationBody, { kind: "direct" }>;
};

/** A creation that Stream has recorded. A copy or a clip has its content already. */
export interface CreatedVideo {
  readonly id: string;
  /** Stream's identifier of the video. */
  readonly uid: string;
  /** True if an earlier request with the same idempotency key or grant created this upload. */
  readonly replayed: boolean;
  /** Current state of the limit of creations per minute; absent if there is none, and for a replay. */
  readonly rate?: RateStatus;
}

/** What the client needs in order to upload. */
export interface CreatedUpload extends CreatedVideo {
  /** The one-time upload URL. */
  readonly location: string;
  /** When the upload URL expires, in seconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Creates an upload: parses the request, authenticates the caller, applies the policy, reserves quota and budget, and
 * requests the upload URL from Stream (for tus, or for a single form), or a copy or a clip. The first step that fails ends the
 * creation.
 *
 * The functions below are in call order.
 */
export function createUpload(
  ports: CreateUploadPorts,
  request: UploadRequest,
  trace: Trace,
): Promise<Result<CreatedUpload>>;
export function createUpload(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  trace: Trace,
): Promise<Result<CreatedVideo>>;
export async function createUpload(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  trace: Trace,
): Promise<Result<CreatedVideo>> {
  const creation = readCreation(request);
  if (!creation.ok) return creation;
  const { length } = creation.value;
  trace.annotate(length === undefined ? {} : { uploadLength: length });

  const decided = await decideCreation(ports, request, creation.value, trace);
  if (!decided.ok) return decided;

  // If the client disconnects, a video that Stream has created must still be recorded.
  const outcome = admitAndForward(ports, request, creation.value, decided.value, trace);
  request.waitUntil(outcome);
  return outcome;
}

function readCreation({ header, body }: CreateUploadRequest): Result<CreationRequest> {
  const creator = header("upload-creator");
  switch (body?.kind) {
    case undefined:
      return parseCreation(header);
    case "direct":
      return readDirectUpload(body.json, creator);
    case "copy":
      return readCopy(body.json, creator);
    case "clip":
      return readClip(body.of, body.json, creator);
    default:
      return body satisfies never;
  }
}

/** What a credential needs for a creation, and what the policy has to allow. */
const NEEDS: Readonly<Record<CreationRequest["kind"], Pick<Operation, "scope" | "feature">>> = {
  tus: OPERATIONS.createDirectUpload,
  direct: OPERATIONS.createDirectUpload,
  copy: OPERATIONS.copyVideo,
  clip: OPERATIONS.clipVideo,
};

/** Authenticates the caller, looks up the upstream, applies the policy and what limits can never admit. */
async function decideCreation(
  ports: AuthenticatePorts & Pick<AdmitPorts, "ledgers">,
  { tenant: id, header }: CreateUploadRequest,
  creation: CreationRequest,
  trace: Trace,
): Promise<Result<DecidedCreation>> {
  const grant = creation.metadata.get(GRANT_KEY);
  const credentials = { tenant: id, header, grant: typeof grant === "object" ? "" : grant };
  const needs = NEEDS[creation.kind];
  const access = await trace.measure("authenticate", authenticate(ports, credentials, needs.scope));
  if (!access.ok) return access;
  const notAllowed = refuseOperation(access.value, needs);
  if (notAllowed) return err(notAllowed);
  const { caller, tenant } = access.value;
  const policy = narrow(tenant.policy, caller.policy);
  const clip = creation.kind === "clip" ? creation.clip : undefined;
  const parent = clip && (await findParent(ports.ledgers, access.value, clip));
  if (parent && !parent.ok) return parent;

  const upstreamId = parent?.value.upstream ?? tenant.upstream;
  trace.annotate({ ...callerFields(access.value), upstream: upstreamId });
  const upstream = requireUpstream(await ports.registry.upstream(upstreamId, "trusted"));
  if (!upstream.ok) return upstream;

  const origin = header("origin");
  const { result: decision, explanations } = await decideUpload(ports.hashes, policy, {
    ...creation,
    length: creation.length ?? parent?.value.bytes ?? mostBytes(policy, upstream.value, tenant.limits),
    ...(clip && { clipSeconds: secondsOf(clip) }),
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
    content: clip && parent ? { kind: "clip", clip: { ...clip, of: parent.value.uid } } : creation,
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
): Promise<Result<CreatedVideo>> {
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
): Promise<Result<CreatedVideo>> {
  switch (admission.kind) {
    case "refused":
      return err(admission.problem);
    case "stale":
      return err(TENANT_CHANGING);
    case "replayed": {
      const { id, uid, location, expires } = admission;
      trace.annotate({ uploadId: id, uid });
      return ok({ id, uid, replayed: true, ...urlOf(location, expires) });
    }
    case "reserved":
      return forward(ports, creation, admission, trace);
    default:
      return admission satisfies never;
  }
}

/** Sends the creation to Stream, then attaches what Stream made to the reservation, or releases it, or marks it unknown. */
async function forward(
  ports: CreateUploadPorts,
  creation: DecidedCreation,
  { id, rate }: Extract<Admission, { kind: "reserved" }>,
  trace: Trace,
): Promise<Result<CreatedVideo>> {
  const { ledgers, tags } = ports;
  const { tenant, decision } = creation;
  trace.annotate({ uploadId: id });
  const metadata = new Map([...decision.metadata, [SLUICE_KEY, await tags.sign(tenant.id, id)]]);
  const outcome = await trace.measure("stream", sendCreation(ports, creation, metadata));
  trace.annotate({
    upstreamOutcome: outcome.kind,
    ...(outcome.status !== undefined && { upstreamStatus: outcome.status }),
  });

  switch (outcome.kind) {
    case "created":
    case "made": {
      const { uid } = outcome;
      trace.annotate({ uid });
      const made = outcome.kind === "created" ? outcome.location : outcome.video.json;
      // Persist before responding, so that an acknowledged upload survives a crash.
      const attached = await trace.measure("attach", ledgers.attach(tenant.id, id, uid, made));
      if (!attached.ok) return attached;
      const url = outcome.kind === "created" ? urlOf(outcome.location, decision.expiresAt) : {};
      return ok({ id, uid, ...url, replayed: false, ...(rate && { rate }) });
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

function urlOf(location: string | undefined, expiresAt: number): Partial<CreatedUpload> {
  return location === undefined ? {} : { location, expiresAt };
}
