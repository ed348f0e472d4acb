import { type Problem, problem } from "../../shared/problem.ts";
import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";
import { rulesFor } from "./apply.ts";
import { decideCreator } from "./creator.ts";
import { customKeysOf, customRules, spellingOf } from "./decide-custom-key.ts";
import { type KeyInput, decideKey } from "./decide-key.ts";
import { originsMeet } from "./hosts.ts";
import { METADATA_KEYS } from "./metadata-keys.ts";
import type { PolicyRequest } from "./policy-decision.ts";
import { memberPath } from "./member-path.ts";
import { type Policy, tenantDocument } from "./policy.ts";
import type { Context, KeyType, Rule } from "./rule.ts";
import { lengthOfAutoExpiry } from "./scheduleddeletion-and-expiry-keys.ts";
import { CUSTOM_KEY } from "./text-keys.ts";
import { fileTypesMeet } from "./file-types.ts";

/**
 * Finds what refuses every creation of a caller under a policy, whatever the client sends: bytes, file types, origins, the
 * creator, or a metadata key for which no value, nor its absence, satisfies all documents.
 *
 * Patterns are not compared with each other: they count as if some text matched them all.
 *
 * @returns `undefined` if a creation may be accepted
 */
export function findContradiction(
  policy: Policy,
  caller: PolicyRequest["caller"],
  bounds: UploadBounds,
): Problem | undefined {
  const lengths = lengthsOf(policy, bounds);
  if (lengths.least > lengths.most)
    return conflict("upload", `minBytes is ${lengths.least}, and maxBytes is ${lengths.most}`);
  return (
    findListConflict(policy) ?? decideCreator(policy, { caller }).refusal ?? findKeyConflict(policy, lengths, bounds)
  );
}

const NO_METADATA: ReadonlyMap<string, string> = new Map();

/** Bytes. */
interface Lengths {
  readonly least: number;
  readonly most: number;
}

function lengthsOf(policy: Policy, { maxBytes }: UploadBounds): Lengths {
  return {
    least: Math.max(...policy.map(({ upload }) => upload.minBytes)),
    most: Math.min(maxBytes, ...policy.map(({ upload }) => upload.maxBytes)),
  };
}

function findListConflict(policy: Policy): Problem | undefined {
  const tenant = tenantDocument(policy);
  for (const grant of policy.slice(1)) {
    const { upload, origins } = grant;
    const paths = (member: string) => `${memberPath(tenant, member)} and ${memberPath(grant, member)}`;
    if (tenant.upload.fileTypes && upload.fileTypes && !fileTypesMeet(tenant.upload.fileTypes, upload.fileTypes))
      return conflict("fileTypes", `${paths("upload.fileTypes")} have no type in common`);
    // A document that lists origins is for browsers. An empty list is for other clients: they send no origin.
    if (tenant.origins && origins && origins.length > 0 && !originsMeet(tenant.origins, origins))
      return conflict("origins", `${paths("origins")} have no origin in common`);
  }
  return undefined;
}

function findKeyConflict(policy: Policy, lengths: Lengths, bounds: UploadBounds): Problem | undefined {
  for (const [key, { type }] of METADATA_KEYS) {
    const found = checkKey(key, type, rulesFor(policy, key), lengths, bounds);
    if (found) return found;
  }
  for (const key of customKeysOf(policy, { metadata: NO_METADATA })) {
    const found = checkKey(
      spellingOf(policy, key),
      CUSTOM_KEY.type,
      customRules(policy, key, undefined),
      lengths,
      bounds,
    );
    if (found) return found;
  }
  return undefined;
}

function checkKey<V>(
  key: string,
  type: KeyType<V>,
  rules: readonly Rule<V>[],
  lengths: Lengths,
  bounds: UploadBounds,
): Problem | undefined {
  const inputs = contextsToTry(type, rules, lengths, bounds).map((context): KeyInput<V> => {
    return { key, type, rules, requested: undefined, context };
  });
  if (inputs.some((input) => !decideKey(input).refusal || canBeRequested(input))) return undefined;
  return conflict(key, `no value of ${key} satisfies ${rules.map(({ path }) => path).join(" and ")}`);
}

/** Creations that differ for a key: only a forced `auto` depends on the length, and grows with it. */
function contextsToTry<V>(
  type: KeyType<V>,
  rules: readonly Rule<V>[],
  { least, most }: Lengths,
  bounds: UploadBounds,
): Context[] {
  const [shortest, longest] = [least, most].map((length): Context => ({ now: 0, length, bounds })) as [
    Context,
    Context,
  ];
  if (!rules.some(({ force }) => force && force(shortest) !== force(longest))) return [shortest];
  const limits = [...rules, type].flatMap(({ constraints }) => constraints);
  const forced = rules.flatMap(({ force }) => (force ? [force(shortest)] : []));
  const values = [...forced, ...limits.flatMap(({ candidates }) => candidates?.(shortest) ?? [])];
  const lengths = values.map((seconds) => lengthOfAutoExpiry(Number(seconds)));
  const between = lengths.filter((length) => length > least && length < most);
  return [shortest, longest, ...between.map((length) => ({ ...shortest, length }))];
}

/** Whether a client may request a value that every rule allows. */
function canBeRequested<V>({ type, rules, context }: KeyInput<V>): boolean {
  if (rules.some(({ deny, force }) => deny !== undefined || force !== undefined)) return false;
  const constraints = [...rules, type].flatMap((constrained) => constrained.constraints);
  if (constraints.every(({ candidates }) => !candidates)) return true;
  return constraints
    .flatMap(({ candidates }) => candidates?.(context) ?? [])
    .some((value) => constraints.every((constraint) => constraint.allows(value, context)));
}

function conflict(key: string, reason: string): Problem {
  return problem("policy_conflict", `This policy can never allow an upload: ${reason}.`, { key });
}
