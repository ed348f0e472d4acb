import type { Faults } from "../../policy/rules/faults.ts";
import { NULL_ORIGIN } from "../../policy/rules/hosts.ts";
import { readPolicy } from "../../policy/rules/parse-policy.ts";
import { combineDocuments } from "../../policy/rules/combine-documents.ts";
import { METADATA_KEYS } from "../../policy/rules/metadata-keys.ts";
import type { PolicyDocument } from "../../policy/rules/policy.ts";
import type { PlanDocument, TenantDocument } from "../../shared/admin-documents.ts";
import { nearestWord } from "../../shared/text.ts";
import type { Warning } from "../../shared/warning.ts";
import { ANY_ACCOUNT } from "../../stream/rules/defaults.ts";
import { BASIC_UPLOAD_MAX_BYTES } from "../../uploads/rules/direct-upload.ts";
import { type LimitName, type LimitRequest, limitRequests } from "./check-limits.ts";
import { combineLimits } from "./combine-limits.ts";
import type { Limits } from "./limits.ts";
import { uploadBounds } from "./upload-bounds.ts";

/**
 * What is accepted in a tenant's document, but refuses uploads that its operator may expect to work, or has no effect; and what a
 * stored document may have, but not one that is written. For a tenant on a plan, of what results: the pointers are
 * into its member `effective`.
 */
export function tenantWarnings(own: Pick<TenantDocument, "policy" | "limits">, plan?: PlanDocument): Warning[] {
  const faults: Faults = [];
  const read = readPolicy(own.policy, "policy", faults);
  if (!read.ok) return [{ pointer: "/policy", code: "policy_unreadable", detail: read.problem.detail }];
  if (!plan) return warningsOf(read.value, own.limits as Limits, faults);
  const inherited = readPolicy(plan.policy, "plan");
  if (!inherited.ok)
    return [{ pointer: "/effective/policy", code: "policy_unreadable", detail: inherited.problem.detail }];
  const limits = combineLimits(plan.limits, own.limits);
  const policy = combineDocuments(inherited.value, read.value, uploadBounds(ANY_ACCOUNT, limits));
  if (policy.conflict) faults.push({ pointer: "/policy", code: "policy_conflict", detail: policy.conflict.detail });
  return warningsOf(policy, limits, faults).map((warning) => ({
    ...warning,
    pointer: `/effective${warning.pointer}`,
  }));
}

function warningsOf(policy: PolicyDocument, limits: Limits, faults: Faults): Warning[] {
  return [
    ...faults,
    ...customKeysLikeStreams(policy),
    ...zeroLimits(limits),
    ...limitsBelowPolicy(policy, limits),
    ...settingsAboveLimits(policy, limits),
    ...limitsWithoutEffect(limits),
    ...refusedBasicLinks(policy, limits),
    ...nullOrigin(policy),
  ];
}

/** Share of letters from which on a custom key is probably meant to be Stream's. */
const ALMOST_EQUAL = 0.9;

function* customKeysLikeStreams({ rules, spellings }: PolicyDocument): Generator<Warning> {
  for (const [key, found] of spellings) {
    const nearest = nearestWord(found, METADATA_KEYS.keys(), ALMOST_EQUAL);
    if (nearest !== undefined && rules.get(key)?.path.endsWith(`.custom.${found}`))
      yield {
        pointer: `/policy/custom/${found}`,
        code: "custom_key_like_metadata_key",
        detail: `Stream gives ${found} no meaning: its own key is ${nearest}.`,
        found,
        nearest,
      };
  }
}

function* zeroLimits(limits: Limits): Generator<Warning> {
  for (const { name, allowed } of limitRequests(limits, ANY_UPLOAD)) {
    if (allowed > 0) continue;
    const refused = name.endsWith(".bytes") ? "every file with content" : "every creation";
    yield {
      pointer: pointerTo(name),
      code: "limit_zero",
      detail: `${name} is 0: it refuses ${isPerCreator(name) ? "every creation of a person" : refused}.`,
      found: allowed,
    };
  }
}

/** Limits that even the smallest upload of the policy exceeds. */
function* limitsBelowPolicy(policy: PolicyDocument, limits: Limits): Generator<Warning> {
  for (const { name, allowed, requested } of limitRequests(limits, smallestUpload(policy)))
    if (allowed > 0 && requested > allowed)
      yield {
        pointer: pointerTo(name),
        code: "limit_below_policy",
        detail: `${name} refuses every creation: the smallest upload that the policy allows requests ${requested}.`,
        found: allowed,
        nearest: requested,
      };
}

/** Settings of the policy that promise more than a limit allows in total. */
function* settingsAboveLimits(policy: PolicyDocument, limits: Limits): Generator<Warning> {
  const { default: fallback, max } = durationRule(policy);
  const smallest = smallestUpload(policy);
  const lowest = (unit: LimitRequest["unit"], least: number) =>
    limitRequests(limits, ANY_UPLOAD)
      .filter((limit) => limit.unit === unit && limit.allowed > 0 && limit.allowed >= least)
      .toSorted((a, b) => a.allowed - b.allowed)[0];
  const [seconds, bytes] = [lowest("seconds", smallest.seconds), lowest("bytes", smallest.bytes)];
  if (seconds && fallback !== undefined && fallback > seconds.allowed)
    yield {
      pointer: `${DURATION}/default`,
      code: "default_above_limit",
      detail: `${seconds.name} refuses every creation that takes this default.`,
      found: fallback,
      nearest: seconds.allowed,
    };
  for (const [pointer, maximum, limit] of [
    [`${DURATION}/max`, max, seconds],
    ["/policy/upload/maxBytes", ownMaxBytes(policy), bytes],
  ] as const)
    if (limit && maximum !== undefined && maximum > limit.allowed)
      yield {
        pointer,
        code: "maximum_above_limit",
        detail: `${limit.name} allows less than this maximum: it refuses larger uploads.`,
        found: maximum,
        nearest: limit.allowed,
      };
}

function* limitsWithoutEffect(limits: Limits): Generator<Warning> {
  const all = new Map(limitRequests(limits, ANY_UPLOAD).map(({ name, allowed }) => [name, allowed]));
  for (const [name, other] of [
    ["pendingPerCreator", "pending"],
    ["rate.creator", "rate.tenant"],
    ["quota.day.uploads", "quota.month.uploads"],
    ["quota.day.bytes", "quota.month.bytes"],
    ["quota.day.seconds", "quota.month.seconds"],
  ] as const) {
    const [found, nearest] = [all.get(name), all.get(other)];
    if (found === undefined) continue;
    if (nearest !== undefined && found > nearest)
      yield {
        pointer: pointerTo(name),
        code: "limit_without_effect",
        detail: `${name} has no effect: ${other} is lower.`,
        found,
        nearest,
      };
  }
}

/** A basic link counts its maximum size, since its file is not known when it is created. */
function* refusedBasicLinks(policy: PolicyDocument, limits: Limits): Generator<Warning> {
  const nearest = BASIC_UPLOAD_MAX_BYTES;
  const warn = (pointer: string, found: number): Warning => ({
    pointer,
    code: "basic_links_refused",
    detail: `Basic links (direct-uploads) are refused, since each counts ${nearest} bytes; tus uploads are not affected.`,
    found,
    nearest,
  });
  const { minBytes, maxBytes } = policy.upload;
  if (minBytes > nearest) yield warn("/policy/upload/minBytes", minBytes);
  if (maxBytes < nearest) yield warn("/policy/upload/maxBytes", maxBytes);
  for (const { name, allowed, unit } of limitRequests(limits, ANY_UPLOAD))
    if (unit === "bytes" && allowed > 0 && allowed < nearest) yield warn(pointerTo(name), allowed);
}

function* nullOrigin({ origins = [] }: PolicyDocument): Generator<Warning> {
  const index = origins.indexOf(NULL_ORIGIN);
  if (index >= 0)
    yield {
      pointer: `/policy/origins/${index}`,
      code: "null_origin",
      detail: "Every site can send this origin, by a sandboxed page.",
      found: NULL_ORIGIN,
    };
}

/** Every limit counts it. */
const ANY_UPLOAD = { bytes: 1, seconds: 1, creator: "any" };

const DURATION = "/policy/metadata/maxdurationseconds";

/** Limits of one person's uploads, which count none without a person. Its caller sees this nowhere else. */
export function uncountedLimits(limits: Limits): Warning[] {
  return limitRequests(limits, ANY_UPLOAD)
    .filter(({ name }) => isPerCreator(name))
    .map(({ name, allowed: found }) => ({
      pointer: pointerTo(name),
      code: "limit_not_counted",
      detail: `${name} counts no upload without a person: of an API key without Upload-Creator, or of a grant without a subject.`,
      found,
    }));
}

function pointerTo(name: LimitName): string {
  return `/limits/${name.replaceAll(".", "/")}`;
}

function isPerCreator(name: LimitName): boolean {
  return name === "pendingPerCreator" || name === "rate.creator";
}

/** The policy's own maximum: without one, only the Stream account bounds uploads. */
function ownMaxBytes({ upload }: PolicyDocument): number | undefined {
  return upload.maxBytes === Number.MAX_SAFE_INTEGER ? undefined : upload.maxBytes;
}

function smallestUpload(policy: PolicyDocument) {
  const { force, min = 1, oneOf } = durationRule(policy);
  const least = Math.max(1, min);
  const choices = oneOf?.filter((choice) => choice >= least) ?? [];
  const seconds = force ?? (choices.length > 0 ? Math.min(...choices) : least);
  return { ...ANY_UPLOAD, bytes: policy.upload.minBytes, seconds };
}

/** The rule of `maxdurationseconds` as the operator wrote it, which `readPolicy` has checked. */
function durationRule({ json }: PolicyDocument): DurationRule {
  return (json as { metadata?: { maxdurationseconds?: DurationRule } }).metadata?.maxdurationseconds ?? {};
}

/** In seconds. */
interface DurationRule {
  readonly force?: number;
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  readonly oneOf?: readonly number[];
}
