import { parseTimestamp } from "../../shared/time.ts";
import { METADATA_KEYS, CUSTOM_KEY } from "./metadata-keys.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { decideCreator } from "./creator.ts";
import { decideKey } from "./decide-key.ts";
import type { Decision, Explanation, PolicyRequest } from "./policy-decision.ts";
import { originMatches } from "./hosts.ts";
import type { Policy } from "./policy.ts";
import { FILE_NAME_KEY, FILE_TYPE_KEY, RESERVED_KEYS } from "./reserved-keys.ts";
import type { Context, Rule } from "./rule.ts";

/** The outcome, and how it came about: a line for everything that was asked or applied. */
export interface PolicyResult {
  readonly result: Result<Decision>;
  readonly explanations: readonly Explanation[];
}

/**
 * Judges a creation by a policy and builds what goes upstream from nothing: no text of the client's is copied that was
 * not read as a value of its key and found permitted.
 */
export function applyPolicy(policy: Policy, request: PolicyRequest): PolicyResult {
  const explanations: Explanation[] = [];
  const refusals: Problem[] = [];
  const note = (explanation: Explanation, refusal?: Problem) => {
    explanations.push(explanation);
    if (refusal) refusals.push(refusal);
  };

  checkOrigin(policy, request, note);
  checkLength(policy, request, note);
  checkFileType(policy, request, note);
  const creator = decideCreator(policy, request);
  note(creator.explanation, creator.refusal);

  const metadata = new Map<string, string>();
  const context: Context = { now: request.now, length: request.length };
  for (const [key, { type }] of METADATA_KEYS) {
    const decided = decideKey({ key, type, rules: rulesFor(policy, key), requested: asked(request, key), context });
    note(decided.explanation, decided.refusal);
    if (decided.text !== undefined) metadata.set(key, decided.text);
  }
  for (const key of customKeys(policy, request)) {
    const decided = decideCustomKey(policy, key, request.metadata.get(key) || undefined, context);
    note(decided.explanation, decided.refusal);
    if (decided.text) metadata.set(key, decided.text);
  }

  const [refusal] = refusals;
  if (refusal) return { result: err(refusal), explanations };
  const decision: Decision = {
    length: request.length,
    metadata,
    ...(creator.value !== undefined && { creator: creator.value }),
    // Both keys have a default of Stream's, so an accepted creation has them.
    maxDurationSeconds: Number(metadata.get("maxdurationseconds")),
    expiresAt: Number(parseTimestamp(metadata.get("expiry") ?? "")),
  };
  return { result: ok(decision), explanations };
}

/** Whether pages of this origin may create uploads. */
export function originAllowed(policy: Policy, origin: string): boolean {
  return policy.every(({ origins }) => !origins || origins.some((pattern) => originMatches(pattern, origin)));
}

/** Bytes: the largest `Upload-Length` that the policy takes. */
export function maxUploadBytes(policy: Policy): number {
  return Math.min(...policy.map(({ upload }) => upload.maxBytes));
}

type Note = (explanation: Explanation, refusal?: Problem) => void;

function checkOrigin(policy: Policy, { origin }: PolicyRequest, note: Note): void {
  if (origin === undefined) return;
  if (originAllowed(policy, origin)) return note({ key: "origin", outcome: "accepted", requested: origin });
  note(
    { key: "origin", outcome: "refused", requested: origin, rule: "policy.origins" },
    problem("origin_not_allowed", "Pages of this origin may not create uploads here.", {
      facts: { origin: truncate(origin) },
    }),
  );
}

function checkLength(policy: Policy, { length }: PolicyRequest, note: Note): void {
  const requested = String(length);
  for (const { source, upload } of policy) {
    if (length > upload.maxBytes)
      return note(
        { key: "length", outcome: "refused", requested, rule: `${source}.upload.maxBytes` },
        problem("upload_too_large", `An upload may have at most ${upload.maxBytes} bytes, not ${length}.`),
      );
    if (length < upload.minBytes)
      return note(
        { key: "length", outcome: "refused", requested, rule: `${source}.upload.minBytes` },
        problem("upload_too_small", `An upload must have at least ${upload.minBytes} bytes, not ${length}.`),
      );
  }
  note({ key: "length", outcome: "accepted", requested });
}

/** By what the client says: a first, cheap check. What the file really is, Stream finds out. */
function checkFileType(policy: Policy, { metadata }: PolicyRequest, note: Note): void {
  const declared = (metadata.get(FILE_TYPE_KEY) ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  for (const { source, upload } of policy) {
    if (!upload.fileTypes) continue;
    if (upload.fileTypes.some((type) => mediaTypeMatches(type, declared))) continue;
    const saying = declared ? `not "${truncate(declared)}"` : "and filetype must say so";
    return note(
      { key: FILE_TYPE_KEY, outcome: "refused", requested: declared, rule: `${source}.upload.fileTypes` },
      problem("file_type_not_allowed", `Files must be of type ${upload.fileTypes.join(", ")}, ${saying}.`, {
        key: FILE_TYPE_KEY,
      }),
    );
  }
}

function mediaTypeMatches(pattern: string, declared: string): boolean {
  return pattern.endsWith("/*") ? declared.startsWith(pattern.slice(0, -1)) : declared === pattern;
}

/** The client's text for a key of Stream's; an empty one counts as none, except where presence is all there is to say. */
function asked({ metadata }: PolicyRequest, key: string): string | undefined {
  if (key === "requiresignedurls") return metadata.get(key);
  if (key === "name") return metadata.get("name") || metadata.get(FILE_NAME_KEY) || undefined;
  return metadata.get(key) || undefined;
}

function rulesFor(policy: Policy, key: string): Rule<unknown>[] {
  const found: Rule<unknown>[] = [];
  for (const { rules } of policy) {
    const rule = rules.get(key);
    if (rule) found.push(rule);
  }
  return found;
}

/** Keys beyond Stream's own that the client sends or a document names. */
function customKeys(policy: Policy, { metadata }: PolicyRequest): ReadonlySet<string> {
  const others = new Set<string>();
  for (const keys of [metadata, ...policy.map(({ rules }) => rules)])
    for (const key of keys.keys()) if (!METADATA_KEYS.has(key) && !RESERVED_KEYS.has(key)) others.add(key);
  return others;
}

/** A key without a meaning to Stream goes on only where the tenant lets it through by name, and no grant objects. */
function decideCustomKey(policy: Policy, key: string, value: string | undefined, context: Context) {
  const rules: Rule<string>[] = [];
  for (const [index, { source, rules: named, customKeys }] of policy.entries()) {
    const rule = named.get(key);
    if (rule) rules.push(rule);
    else if (customKeys?.allow.has(key)) rules.push(allowRule(`${source}.metadata.*`, customKeys));
    else if (customKeys || index === 0)
      rules.push(denyRule(`${source}.metadata.*`, key, customKeys?.onViolation ?? "drop"));
  }
  return decideKey({ key, type: CUSTOM_KEY.type, rules, requested: value, context });
}

type CustomKeys = NonNullable<Policy[number]["customKeys"]>;

function allowRule(path: string, { bounds, onViolation }: CustomKeys): Rule<string> {
  return { path, required: false, bounds, onViolation };
}

function denyRule(path: string, key: string, onViolation: CustomKeys["onViolation"]): Rule<string> {
  const sentByItself = key === FILE_NAME_KEY || key === FILE_TYPE_KEY;
  return {
    path,
    required: false,
    deny: `${path}.allow`,
    bounds: [DENY_ALL],
    onViolation: sentByItself ? "drop" : onViolation,
  };
}

/** Shuts a key out of a grant's `force` and `default` too. */
const DENY_ALL = { verb: "allow", message: "is not a key that this policy lets through", allows: () => false };
