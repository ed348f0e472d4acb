import { parseTimestamp } from "../../shared/time.ts";
import { UNREPORTED_SECONDS } from "../../uploads/rules/due-upload.ts";
import type { MetadataValue } from "../../uploads/rules/metadata-value.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { decideCreator } from "./creator.ts";
import { customKeysOf, decideCustomKey } from "./decide-custom-key.ts";
import { decideKey } from "./decide-key.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { Decision, Explanation, PolicyRequest } from "./policy-decision.ts";
import { type Policy, tenantDocument } from "./policy.ts";
import { FILE_NAME_KEY, isNoFileType } from "./reserved-keys.ts";
import type { Context, Rule } from "./rule.ts";
import { checkFileType, checkLength, checkOrigin, firstName } from "./upload-checks.ts";

export interface PolicyResult {
  readonly result: Result<Decision>;
  /** One line per metadata key that Stream gives a meaning, and per everything else that was requested or applied. */
  readonly explanations: readonly Explanation[];
}

/**
 * Applies a policy to a creation, in this order: origin, length, file type, creator, each metadata key. All of them are
 * explained; the first refusal is the result. A clip has no file, and it has no upload URL that expires, nor has a copy.
 *
 * The decision is built from nothing: no text of the client reaches it that was not parsed as a value of its key and allowed.
 */
export function applyPolicy(policy: Policy, request: PolicyRequest): PolicyResult {
  const explanations: Explanation[] = [];
  const { conflict } = tenantDocument(policy);
  const refusals: Problem[] = conflict ? [conflict] : [];
  const report = (explanation: Explanation, refusal?: Problem) => {
    explanations.push(explanation);
    if (refusal) refusals.push(refusal);
  };

  checkOrigin(policy, request, report);
  if (request.kind !== "clip") {
    checkLength(policy, request, report);
    checkFileType(policy, request, report);
  }
  const creator = decideCreator(policy, request);
  report(creator.explanation, creator.refusal);

  const metadata = new Map<string, string>();
  const context: Context = { now: request.now, length: request.length, bounds: request.bounds };
  const hasUrl = request.kind !== "copy" && request.kind !== "clip";
  for (const [key, { type }] of METADATA_KEYS) {
    if (key === "expiry" && !hasUrl) continue;
    const rules = rulesFor(policy, key);
    const requested = requestedValue(request, key, rules);
    const { explanation, refusal, text } = decideKey({ key, type, rules, requested, context });
    report(explanation, refusal);
    if (text !== undefined) metadata.set(key, text);
  }
  for (const key of customKeysOf(policy, request)) {
    const sent = request.metadata.get(key);
    const requested = sent === undefined || isNoFileType(key, sent) ? undefined : sent;
    const { explanation, refusal, text } = decideCustomKey(policy, key, requested, context);
    report(explanation, refusal);
    if (text !== undefined) metadata.set(explanation.key, text);
  }

  // Every accepted creation has one: the key has a default in METADATA_KEYS.
  const maxDurationSeconds = Number(metadata.get("maxdurationseconds"));
  const { clipSeconds = maxDurationSeconds } = request;
  if (clipSeconds > maxDurationSeconds) refusals.push(clipTooLong(clipSeconds, maxDurationSeconds));

  const [refusal] = refusals;
  if (refusal) return { result: err(refusal), explanations };
  const decision: Decision = {
    length: request.length,
    metadata,
    ...(creator.value !== undefined && { creator: creator.value }),
    ...(creator.person && { person: creator.person }),
    maxDurationSeconds: clipSeconds,
    // The key has a default, too.
    expiresAt: hasUrl ? Number(parseTimestamp(metadata.get("expiry") ?? "")) : request.now + UNREPORTED_SECONDS,
  };
  return { result: ok(decision), explanations };
}

function clipTooLong(seconds: number, most: number): Problem {
  return problem("policy_violation", `A clip must be at most ${most} seconds long (requested: "${seconds}").`, {
    key: "maxdurationseconds",
  });
}

/**
 * The client's value of a Stream key. An empty text counts as absent, except for a flag, which is set by its presence. A clip asks for
 * its length, unless clients may not ask for any.
 */
function requestedValue(
  { metadata, clipSeconds }: PolicyRequest,
  key: string,
  rules: readonly Rule<unknown>[],
): MetadataValue | undefined {
  if (key === "maxdurationseconds" && clipSeconds !== undefined)
    return rules.some(({ deny }) => deny) ? undefined : String(clipSeconds);
  if (key === "name") return firstName(metadata, "name", FILE_NAME_KEY);
  return key === "requiresignedurls" ? metadata.get(key) : metadata.get(key) || undefined;
}

/** The rule of each document for a key that Stream gives a meaning. */
export function rulesFor(policy: Policy, key: string): Rule<unknown>[] {
  const rules: Rule<unknown>[] = [];
  for (const document of policy) {
    const rule = document.rules.get(key);
    if (rule) rules.push(rule);
  }
  return rules;
}
