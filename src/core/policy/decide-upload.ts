import type { SecretHashes } from "../ports/hashes.ts";
import { type PolicyResult, applyPolicy } from "./rules/apply.ts";
import { type CreatorRequest, personToDigest } from "./rules/creator.ts";
import type { PolicyRequest } from "./rules/policy-decision.ts";
import type { Policy } from "./rules/policy.ts";

/** Applies a policy to a creation. Only a person whose subject Stream does not take needs something asynchronous: a digest. */
export function decideUpload(
  hashes: SecretHashes,
  policy: Policy,
  request: PolicyRequest,
): PolicyResult | Promise<PolicyResult> {
  const digest = digestCreator(hashes, policy, request);
  if (!digest) return applyPolicy(policy, request);
  return digest.then((creatorDigest) => applyPolicy(policy, { ...request, creatorDigest }));
}

/** @returns what Stream is told of a person whose subject it does not take; `undefined` if it takes the subject */
export function digestCreator(
  hashes: SecretHashes,
  policy: Policy,
  request: CreatorRequest,
): Promise<string> | undefined {
  const person = personToDigest(policy, request);
  return person && hashes.shortDigest(JSON.stringify([person.namespace, person.subject]));
}
