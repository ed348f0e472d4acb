import * as v from "valibot";
import { jsonObject } from "../shared/strict-object.ts";
import { decideUpload } from "./decide-upload.ts";
import { type Decision, type Explanation, sizeOf } from "./rules/policy-decision.ts";
import { parsePolicy } from "./rules/parse-policy.ts";
import { narrow } from "./rules/policy.ts";
import { unmeetableLimit } from "../quota/rules/unmeetable-limit.ts";
import { uploadBounds } from "../quota/rules/upload-bounds.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { requireUpstream } from "../stream/rules/upstream.ts";
import type { UploadMetadata } from "../uploads/rules/metadata-value.ts";
import { encodeUploadMetadata, parseUploadMetadata } from "../uploads/rules/upload-metadata.ts";
import type { Access } from "../auth/authenticate.ts";
import type { LimitUse } from "../quota/rules/check-limits.ts";
import type { Ledgers } from "../ports/ledger.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { Registry } from "../ports/registry.ts";
import { asGrant, grantSubject } from "../auth/mint-grant.ts";
import { ledgerToRead } from "../quota/ledger-to-read.ts";

export const checkPolicySchema = jsonObject({
  /** Bytes. */
  length: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Decoded values by key, or an `Upload-Metadata` header. */
  metadata: v.optional(v.union([v.string(), v.record(v.string(), v.string())]), ""),
  /** The client's `Upload-Creator`. */
  creator: v.optional(v.string()),
  origin: v.optional(v.string()),
  /** Decides as if the creation carried a grant with this subject and policy. */
  grant: v.optional(jsonObject({ subject: grantSubject, policy: v.optional(v.unknown()) })),
});

export interface CheckPolicyPorts {
  readonly ledgers: Ledgers;
  readonly registry: Registry;
  readonly hashes: SecretHashes;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

export interface PolicyCheck {
  /** What would be sent to Stream, or the refusal. */
  readonly outcome: Result<Decision & { readonly header: string }>;
  readonly explanations: readonly Explanation[];
  /** Use of the limits that count the creation; empty if the policy refuses it. */
  readonly limits: readonly LimitUse[];
}

/** Decides a tus creation as `createUpload` would and explains it key by key, without side effects. */
export async function checkPolicy(
  { ledgers, registry, hashes, now }: CheckPolicyPorts,
  { caller, tenant }: Access,
  body: v.InferOutput<typeof checkPolicySchema>,
): Promise<Result<PolicyCheck>> {
  const metadata = readMetadata(body.metadata);
  if (!metadata.ok) return ok({ outcome: metadata, explanations: [], limits: [] });
  const grantPolicy = body.grant?.policy === undefined ? undefined : parsePolicy(body.grant.policy, "grant");
  if (grantPolicy && !grantPolicy.ok) return grantPolicy;

  const upstream = requireUpstream(await registry.upstream(tenant.upstream, "trusted"));
  if (!upstream.ok) return upstream;

  const { result, explanations } = await decideUpload(hashes, narrow(tenant.policy, grantPolicy?.value), {
    length: body.length,
    metadata: metadata.value,
    ...(body.creator && { creator: body.creator }),
    ...(body.origin && { origin: body.origin }),
    caller: body.grant ? asGrant(caller, body.grant.subject) : caller,
    now: now(),
    bounds: uploadBounds(upstream.value, tenant.limits),
  });
  if (!result.ok) return ok({ outcome: result, explanations, limits: [] });
  const size = sizeOf(result.value, tenant.id);
  const limits = await ledgerToRead(ledgers, tenant).limitUses(tenant.id, tenant.limits, size);
  if (!limits.ok) return limits;
  const unmeetable = unmeetableLimit(tenant.limits, size, "tus");
  const outcome = unmeetable
    ? err(unmeetable)
    : ok({ ...result.value, header: encodeUploadMetadata(result.value.metadata) });
  return ok({ outcome, explanations, limits: limits.value });
}

/** Encodes an object as a header first, so that a dry run refuses the keys and values that a creation would. */
function readMetadata(metadata: string | Readonly<Record<string, string>>): Result<UploadMetadata> {
  return parseUploadMetadata(typeof metadata === "string" ? metadata : encodeUploadMetadata(Object.entries(metadata)));
}
