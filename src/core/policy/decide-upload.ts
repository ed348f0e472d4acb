import type { SecretHashes } from "../ports/hashes.ts";
import { type PolicyResult, applyPolicy } from "./rules/apply.ts";
import { personToDigest } from "./rules/creator.ts";
import type { PolicyRequest } from "./rules/policy-decision.ts";
import type { Policy } from "./rules/policy.ts";

/** Applies a policy to a creation. Only a person whose subject Stream does not take needs something asynchronous: a digest. */
export function decideUpload(
  hashes: SecretHashes,
  policy: Policy,
  request: PolicyRequest,
): PolicyResult | Promise<PolicyResult> {
  const person = personToDigest(policy, request);
  if (!person) return applyPolicy(policy, request);
  const digest = hashes.shortDigest(JSON.stringify([person.namespace, person.subject]));
  return digest.then((creatorDigest) => applyPolicy(policy, { ...request, creatorDigest }));
}
