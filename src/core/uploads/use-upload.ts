import { type Access, versionOf } from "../auth/authenticate.ts";
import { canAccess } from "../auth/rules/upload-visibility.ts";
import { refuseFeature } from "../policy/rules/features.ts";
import { narrow } from "../policy/rules/policy.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { CachedRegistry, Registry } from "../ports/registry.ts";
import type { Trace } from "../ports/trace.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";
import { type Result, err, ok } from "../shared/result.ts";
import type { Operation } from "../stream/rules/operations.ts";
import { videoDocument } from "../stream/rules/video-document.ts";
import { asCurrent } from "./as-current.ts";
import { NO_SUCH_UPLOAD } from "./find-upload.ts";
import type { UploadRecord } from "./rules/upload-record.ts";

export interface UseUploadPorts {
  readonly registry: CachedRegistry;
  readonly ledgers: Ledgers;
}

export interface UseUploadRequest {
  readonly operation: Operation;
  /** Authenticates the caller against this registry, for the operation's scope. */
  readonly authenticate: (registry: Registry) => Promise<Result<Access>>;
  /** The upload's id or the uid of its video; on Cloudflare's paths only the uid of a video that Stream would show. */
  readonly id: string;
  readonly door: "tenant" | "cloudflare";
}

/** What is done with an upload of the caller; `stale` if the ledger has seen a later version of the tenant. */
export type UploadUse<T> = (access: Access, upload: UploadRecord) => Promise<Result<T> | "stale">;

/**
 * Carries out an operation on an upload: authenticates the caller, checks that the policy allows the operation, and finds the
 * upload among those that the caller may see. A credential that was revoked, or a tenant that was suspended, is refused at once:
 * the ledger knows the newest version of the tenant.
 */
export function useUpload<T>(
  ports: UseUploadPorts,
  { operation, authenticate, id, door }: UseUploadRequest,
  use: UploadUse<T>,
  trace: Trace,
): Promise<Result<T>> {
  return asCurrent(ports.registry, async (registry) => {
    const access = await authenticate(registry);
    if (!access.ok) return access;
    const refusal = refuseOperation(access.value, operation);
    if (refusal) return err(refusal);

    const found = await findCurrent(ports, access.value, id);
    if (found === "stale" || !found.ok) return found;
    const { id: uploadId, uid, upstream } = found.value;
    if (door === "cloudflare" && (uid !== id || !videoDocument(found.value))) return err(NO_SUCH_UPLOAD);
    trace.annotate({ uploadId, upstream, ...(uid !== undefined && { uid }) });
    return use(access.value, found.value);
  });
}

/** Whether the policy of the tenant, or of the caller's grant, leaves the operation out. */
export function refuseOperation({ tenant, caller }: Access, { feature }: Pick<Operation, "feature">) {
  return feature && refuseFeature(narrow(tenant.policy, caller.policy), feature);
}

async function findCurrent(
  { ledgers }: UseUploadPorts,
  access: Access,
  idOrUid: string,
): Promise<Result<UploadRecord> | "stale"> {
  const { caller, tenant } = access;
  const found = await ledgerToRead(ledgers, tenant).findCurrent(tenant.id, idOrUid, versionOf(access));
  if (!found.ok) return found;
  if (found.value === "stale") return "stale";
  return found.value && canAccess(caller, found.value) ? ok(found.value) : err(NO_SUCH_UPLOAD);
}
