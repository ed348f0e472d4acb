import type { Caller } from "../domain/caller.ts";
import { applyPolicy } from "../domain/policy/apply.ts";
import type { Decision, Explanation } from "../domain/policy/decision.ts";
import { METADATA_KEYS } from "../domain/policy/keys.ts";
import { narrow } from "../domain/policy/policy.ts";
import { GRANT_KEY, SLUICE_KEY } from "../domain/policy/reserved-keys.ts";
import { problem } from "../domain/problem.ts";
import { type Result, accept, refuse } from "../domain/result.ts";
import type { Tenant } from "../domain/tenant.ts";
import { type HeaderReader, parseCreation } from "../domain/tus.ts";
import { encodeUploadMetadata } from "../domain/upload-metadata.ts";
import { type AuthenticatePorts, authenticate } from "./authenticate.ts";
import type { Admission, StreamApi, Trace, TraceColumns, Upstream } from "./ports.ts";

export interface CreateUploadPorts extends AuthenticatePorts {
  readonly admission: Admission;
  readonly stream: StreamApi;
  readonly newUploadId: () => string;
}

export interface CreateUploadRequest {
  /** The tenant in the path. */
  readonly tenant: string;
  readonly header: HeaderReader;
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
}

/**
 * Creates an upload: reads the tus creation, finds out who asks, applies the policy, asks for admission, and has Stream
 * make the upload URL. Each step may refuse; nothing that comes after it has then happened.
 */
export async function createUpload(
  ports: CreateUploadPorts,
  request: CreateUploadRequest,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  const creation = parseCreation(request.header);
  if (!creation.ok) return creation;
  trace.note({ uploadLength: creation.value.length });

  const credentials = readCredentials(request, creation.value.metadata.get(GRANT_KEY));
  const access = await trace.measure("authenticate", authenticate(ports, credentials, "uploads:create"));
  if (!access.ok) return access;
  const { caller, tenant } = access.value;
  trace.note({ tenant: tenant.id, callerKind: caller.kind, credential: caller.credential, upstream: tenant.upstream });

  const origin = request.header("origin");
  const { result: decided, explanations } = applyPolicy(narrow(tenant.policy, caller.policy ?? []), {
    ...creation.value,
    ...(origin !== undefined && { origin }),
    caller,
    now: ports.now(),
  });
  trace.note({ decision: summarise(explanations) });
  if (!decided.ok) return decided;

  const upstream = await ports.registry.upstream(tenant.upstream);
  if (!upstream.ok) return upstream;
  if (!upstream.value) return refuse(problem("upstream_unknown", "The gateway is not set up for this tenant."));

  return forward(ports, { tenant, caller, decision: decided.value, upstream: upstream.value }, trace);
}

interface Forwarding {
  readonly tenant: Tenant;
  readonly caller: Caller;
  readonly decision: Decision;
  readonly upstream: Upstream;
}

/** From the admission on: what is admitted is attached, released, or left to be found out. */
async function forward(
  ports: CreateUploadPorts,
  { tenant, caller, decision, upstream }: Forwarding,
  trace: Trace,
): Promise<Result<CreatedUpload>> {
  const id = ports.newUploadId();
  trace.note({ uploadId: id, maxDurationSeconds: decision.maxDurationSeconds });
  const admitted = await trace.measure("admit", ports.admission.admit({ uploadId: id, tenant, caller, decision }));
  if (!admitted.ok) return admitted;

  const { length, creator } = decision;
  const metadata = encodeUploadMetadata([...decision.metadata, [SLUICE_KEY, `${tenant.id}/${id}`]]);
  const outcome = await trace.measure(
    "stream",
    ports.stream.create(upstream, { length, metadata, ...(creator !== undefined && { creator }) }),
  );
  trace.note({
    upstreamOutcome: outcome.kind,
    ...(outcome.status !== undefined && { upstreamStatus: outcome.status }),
  });

  switch (outcome.kind) {
    case "created":
      trace.note({ uid: outcome.uid });
      await trace.measure("attach", ports.admission.attach(id, outcome.uid));
      return accept({ id, uid: outcome.uid, location: outcome.location, expiresAt: decision.expiresAt });
    case "refused":
      await ports.admission.release(id);
      return refuse(outcome.problem);
    case "unknown":
      // The video may exist, so what was admitted stays held until its upload URL would have died.
      return refuse(outcome.problem);
    default:
      return outcome satisfies never;
  }
}

const LOGGED_KEYS: ReadonlySet<string> = new Set([...METADATA_KEYS.keys(), "length", "filetype", "creator", "origin"]);

/** The decision for the log, without values. Names of the client's own making are left out: they may be anything. */
function summarise(explanations: readonly Explanation[]): Required<TraceColumns>["decision"] {
  const lines = explanations.filter(({ key, outcome }) => outcome !== "absent" && LOGGED_KEYS.has(key));
  return Object.fromEntries(lines.map(({ key, outcome }) => [key, outcome]));
}

function readCredentials({ tenant, header }: CreateUploadRequest, grant: string | undefined) {
  const authorization = header("authorization");
  return {
    tenant,
    ...(authorization !== undefined && { authorization }),
    ...(grant !== undefined && { grant }),
  };
}
