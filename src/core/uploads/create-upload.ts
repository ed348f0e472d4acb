import { type DirectUploadBody, readDirectUpload, writeDirectUpload } from "./rules/direct-upload.ts";
import type { RateStatus } from "../quota/rules/limits.ts";
import { applyPolicy } from "../policy/rules/apply.ts";
import type { Explanation } from "../policy/rules/policy-decision.ts";
import { METADATA_KEYS } from "../policy/rules/metadata-keys.ts";
import { narrow } from "../policy/rules/policy.ts";
import { GRANT_KEY, SLUICE_KEY } from "../policy/rules/reserved-keys.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { type CreationRequest, type HeaderReader, parseCreation } from "./rules/tus-creation.ts";
import { encodeUploadMetadata } from "./rules/upload-metadata.ts";
import { type Admission, type AdmitPorts, type DecidedCreation, admit } from "./admit-upload.ts";
import { type AuthenticatePorts, TENANT_CHANGING, authenticate } from "../auth/authenticate.ts";
import { resolveIdempotencyKey } from "./idempotency-key.ts";
import type { Trace, TraceFields } from "../ports/trace.ts";
import type { CachedRegistry } from "../ports/registry.ts";
import type { StreamApi } from "../ports/stream.ts";

export interface CreateUploadPorts extends AuthenticatePorts, AdmitPorts {
  readonly registry: CachedRegistry;
  readonly stream: StreamApi;
}

export interface CreateUploadRequest {
  /** The tenant in the path. */
  readonly tenant: string;
  readonly header: HeaderReader;
  /** A basic link is asked for, by this body; absent: a tus creation, which is all in the headers. */
  readonly direct?: DirectUploadBody;
  /** Has work come to its end even where the client hangs up meanwhile. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** What the client needs in order to upload. */
export interface CreatedUpload {
  readonly id: string;
  /** Stream's identifier of the video. */
  readonly uid: string;
  /** The one-time upload URL. */
  readonly location: string;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** The same creation had been answered before: this is the upload that it made then. */
  readonly replayed: boolean;
  /** How the limit of creations per minute stands now. */
  readonly rate?: RateStatus;
}

/**
 * Creates an upload: reads the creation, finds out who asks, applies the policy, asks for admission, and has Stream make
 * the upload URL, for tus or for one form. Each step may refuse; nothing that comes after it has then happened.
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

  const decided = await decide(ports, request, creation.value, trace);
  if (!decided.ok) return decided;

  // A client that hangs up must not leave a video behind that nobody has recorded.
  const outcome = admitAndForward(ports, request, creation.value, decided.value, trace);
  request.waitUntil(outcome);
  return outcome;
}

/** Has a creation admitted, and does what follows from that. */
async function admitAndForward(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  creation: CreationRequest,
  decided: DecidedCreation,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  const admission = await trace.measure("admit", admit(ports, decided));
  if (admission.kind !== "stale") return handleAdmission(ports, decided, admission, trace);

  // The tenant has changed since it was cached here: it is decided anew, once, by what is there now.
  const anew = await decide({ ...ports, registry: ports.registry.uncached }, request, creation, trace);
  if (!anew.ok) return anew;
  return handleAdmission(ports, anew.value, await trace.measure("admit", admit(ports, anew.value)), trace);
}

/** Authenticates the caller and applies the policy. */
async function decide(
  ports: AuthenticatePorts,
  { tenant: id, header }: CreateUploadRequest,
  creation: CreationRequest,
  trace: Trace,
): Promise<Result<DecidedCreation>> {
  const [authorization, grant] = [header("authorization"), creation.metadata.get(GRANT_KEY)];
  const credentials = {
    tenant: id,
    ...(authorization !== undefined && { authorization }),
    ...(grant !== undefined && { grant }),
  };
  const access = await trace.measure("authenticate", authenticate(ports, credentials, "uploads:create"));
  if (!access.ok) return access;
  const { caller, tenant } = access.value;
  trace.annotate({
    tenant: tenant.id,
    callerKind: caller.kind,
    credential: caller.credential,
    upstream: tenant.upstream,
  });

  const origin = header("origin");
  const { result: decision, explanations } = applyPolicy(narrow(tenant.policy, caller.policy ?? []), {
    ...creation,
    ...(origin !== undefined && { origin }),
    caller,
    now: ports.now(),
  });
  trace.annotate({ decision: summarise(explanations) });
  if (!decision.ok) return decision;
  trace.annotate({ maxDurationSeconds: decision.value.maxDurationSeconds });

  const identity = await resolveIdempotencyKey(ports.hashes, caller, creation, header("idempotency-key"));
  if (!identity.ok) return identity;
  const upstream = await ports.registry.upstream(tenant.upstream, "trusted");
  if (!upstream.ok) return upstream;
  if (!upstream.value) return err(problem("upstream_unknown", "The gateway is not set up for this tenant."));
  return ok({
    kind: creation.kind,
    tenant,
    caller,
    decision: decision.value,
    upstream: upstream.value,
    ...(identity.value && { idempotency: identity.value }),
  });
}

/** What becomes of an admission: it is refused, answered as before, or forwarded to Stream. */
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

/** Has Stream make the upload URL. What was reserved is attached, released, or left to be found out. */
async function forward(
  { stream, ledgers }: CreateUploadPorts,
  { kind, tenant, decision, upstream }: DecidedCreation,
  { id, rate }: Extract<Admission, { kind: "reserved" }>,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  trace.annotate({ uploadId: id });
  const { length, creator } = decision;
  const metadata = new Map([...decision.metadata, [SLUICE_KEY, `${tenant.id}/${id}`]]);
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
      // On disk before the client hears of it: an upload that was acknowledged is never lost.
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

const LOGGED_KEYS: ReadonlySet<string> = new Set([...METADATA_KEYS.keys(), "length", "filetype", "creator", "origin"]);

/** The decision for the log, without values. Names of the client's own making are left out: they may be anything. */
function summarise(explanations: readonly Explanation[]): Required<TraceFields>["decision"] {
  const lines = explanations.filter(({ key, outcome }) => outcome !== "absent" && LOGGED_KEYS.has(key));
  return Object.fromEntries(lines.map(({ key, outcome }) => [key, outcome]));
}
