import * as v from "valibot";
import { subset } from "../../shared/fields.ts";
import { jsonObject } from "../../shared/strict-object.ts";
import { isJsonObject } from "../../shared/json.ts";
import { type Result, ok } from "../../shared/result.ts";
import { ANY_ACCOUNT } from "../../stream/rules/defaults.ts";
import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import { hasRemovals } from "./combine-documents.ts";
import { type RulesByKey, compileRules } from "./compile-rules.ts";
import { type Faults, refuse, refuseAll, refuseIssues, unmatched } from "./faults.ts";
import { PREFIX_EXPECTED, isCreatorPrefix } from "./creator.ts";
import { FEATURES } from "./features.ts";
import { FILE_TYPE } from "./file-types.ts";
import { ORIGIN_EXPECTED, isOrigin } from "./hosts.ts";
import { playbackSchema } from "./playback-bounds.ts";
import { CREATOR_SOURCES, type PolicyDocument } from "./policy.ts";

export const NO_PLAN = "only a tenant on a plan may have null, which removes an entry of the plan";

const MAX_ORIGINS = 100;
const MAX_FILE_TYPES = 50;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fileType = v.pipe(v.string(), v.regex(FILE_TYPE, "must be such as video/mp4, video/* or .mkv, in lower case"));
const rulesByKey = v.optional(v.custom<RulesByKey>(isJsonObject, "must be an object"), {});

/** A document without its rules: these are compiled key by key, since each key has verbs of its own. */
const documentSchema = jsonObject({
  upload: v.optional(
    jsonObject({
      minBytes: v.nullish(bytes),
      maxBytes: v.nullish(bytes),
      fileTypes: v.nullish(v.pipe(v.array(fileType), v.minLength(1), v.maxLength(MAX_FILE_TYPES))),
    }),
    {},
  ),
  metadata: rulesByKey,
  custom: rulesByKey,
  creator: v.nullish(
    jsonObject({
      from: v.exactOptional(v.picklist(CREATOR_SOURCES)),
      prefix: v.exactOptional(v.pipe(v.string(), v.check(isCreatorPrefix, PREFIX_EXPECTED))),
    }),
  ),
  origins: v.nullish(v.pipe(v.array(v.string()), v.maxLength(MAX_ORIGINS))),
  features: v.nullish(subset(FEATURES)),
  playback: v.optional(playbackSchema, {}),
});

/**
 * Parses a policy document as the operator or the minter of a grant writes it.
 *
 * @param maxima of the Stream account; absent: any
 * @param mayRemove whether entries may be `null`: those of a tenant on a plan
 * @returns the problem `body_invalid` with the path of each fault, also if rules contradict each other
 */
export function parsePolicy(
  json: unknown,
  source: PolicyDocument["source"],
  maxima: AccountMaxima = ANY_ACCOUNT,
  mayRemove = false,
): Result<PolicyDocument> {
  const faults: Faults = [];
  const document = compileDocument(json, source, maxima, faults);
  if (document.ok && document.value.removes && !mayRemove) return refuse(`/${source}`, NO_PLAN);
  return faults.length > 0 ? refuseAll(faults) : document;
}

/**
 * Reads a policy document that was accepted before, possibly by another version: a tenant's from the registry, or one that a grant
 * carries. The Stream account bounds each creation anyway.
 *
 * @param faults takes what `parsePolicy` refuses and an earlier version accepted
 */
export function readPolicy(
  json: unknown,
  source: PolicyDocument["source"],
  faults: Faults = [],
): Result<PolicyDocument> {
  return compileDocument(json, source, ANY_ACCOUNT, faults);
}

function compileDocument(
  json: unknown,
  source: PolicyDocument["source"],
  maxima: AccountMaxima,
  faults: Faults,
): Result<PolicyDocument> {
  const parsed = v.safeParse(documentSchema, json);
  if (!parsed.success) return refuseIssues(`/${source}`, parsed.issues);
  const { upload, metadata, custom, creator, origins, features, playback } = parsed.output;

  const { fileTypes } = upload;
  const [minBytes, maxBytes] = [upload.minBytes ?? 0, upload.maxBytes ?? Number.MAX_SAFE_INTEGER];
  if (minBytes > maxBytes)
    return refuse(`/${source}/upload/minBytes`, `must be at most maxBytes, ${maxBytes} (found: ${minBytes})`);
  const most = maxima.maxUploadBytes;
  for (const field of ["minBytes", "maxBytes"] as const) {
    const found = upload[field] ?? 0;
    if (found > most)
      return refuse(`/${source}/upload/${field}`, `must be at most ${most}, Stream's maximum (found: ${found})`);
  }

  for (const [index, found] of origins?.entries() ?? [])
    if (!isOrigin(found)) faults.push(unmatched(`/${source}/origins/${index}`, ORIGIN_EXPECTED, found));

  const rules = compileRules(source, { metadata, custom }, maxima, faults);
  if (!rules.ok) return rules;
  return ok({
    source,
    json,
    upload: { minBytes, maxBytes, ...(fileTypes && { fileTypes }) },
    ...rules.value,
    ...(creator && { creator }),
    ...(origins && { origins }),
    ...(features && { features }),
    playback: Object.fromEntries(Object.entries(playback).filter(([, bound]) => bound !== null)),
    ...(hasRemovals(json) && { removes: true }),
  });
}
