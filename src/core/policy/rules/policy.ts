import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { problem } from "../../shared/problem.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { compileRule, customKeysSchema } from "./compile-rule.ts";
import { ORIGIN } from "./hosts.ts";
import type { AccountMaxima } from "../../stream/rules/upstream.ts";
import { ANY_ACCOUNT } from "../../stream/rules/defaults.ts";
import type { AnyRule, CustomKeysRule } from "./rule.ts";

/** The tenant's document, then a grant's if there is one. A creation must satisfy all of them. */
export type Policy = readonly [tenant: PolicyDocument, ...narrowedBy: PolicyDocument[]];

/** One policy document, compiled. */
export interface PolicyDocument {
  /** Whose document: `policy` is the tenant's, `grant` a grant's. Rule paths in explanations begin with it. */
  readonly source: "policy" | "grant";
  /** The document as it was written. */
  readonly json: unknown;
  readonly upload: {
    /** Bytes. */
    readonly minBytes: number;
    /** Bytes. What the Stream account takes bounds each creation as well: see `UploadBounds`. */
    readonly maxBytes: number;
    /** Such as `video/mp4` or `video/*`; absent: any. */
    readonly fileTypes?: readonly string[];
  };
  /** Rules by lower-case metadata key. */
  readonly rules: ReadonlyMap<string, AnyRule>;
  /** The rule `*`, for custom keys that have no rule of their own. */
  readonly customKeys?: CustomKeysRule;
  readonly creator?: CreatorSource;
  /** Browser origins that may create uploads; absent: any. */
  readonly origins?: readonly string[];
}

const CREATOR_SOURCES = ["caller", "client", "tenant", "none"] as const;
export type CreatorSource = (typeof CREATOR_SOURCES)[number];

export function tenantDocument([tenant]: Policy): PolicyDocument {
  return tenant;
}

/** Adds a grant's document. The result accepts only what both accept: each document is applied to every creation. */
export function narrow(policy: Policy, grant: PolicyDocument | undefined): Policy {
  return grant ? [...policy, grant] : policy;
}

const MAX_ORIGINS = 100;
const MAX_FILE_TYPES = 50;
const MAX_RULES = 64;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const mediaType = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.+-]*\/(?:\*|[a-z0-9][a-z0-9.+-]*)$/));

/** A document without its rules: these are compiled key by key, since each key has verbs of its own. */
const documentSchema = jsonObject({
  upload: v.optional(
    jsonObject({
      minBytes: v.optional(bytes),
      maxBytes: v.optional(bytes),
      fileTypes: v.optional(v.pipe(v.array(mediaType), v.minLength(1), v.maxLength(MAX_FILE_TYPES))),
    }),
  ),
  metadata: v.optional(
    v.custom<object>((value) => typeof value === "object" && value !== null && !Array.isArray(value)),
  ),
  creator: v.optional(jsonObject({ from: v.picklist(CREATOR_SOURCES) })),
  origins: v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(ORIGIN))), v.maxLength(MAX_ORIGINS))),
});

/**
 * Parses a policy document as the operator or the minter of a grant writes it.
 *
 * @param maxima of the Stream account; absent: any, since a stored document is read without its account, which bounds each
 *   creation anyway
 * @returns the problem `body_invalid` with the path of the fault, also if rules contradict each other
 */
export function parsePolicy(
  json: unknown,
  source: PolicyDocument["source"],
  maxima: AccountMaxima = ANY_ACCOUNT,
): Result<PolicyDocument> {
  const parsed = v.safeParse(documentSchema, json);
  if (!parsed.success) return invalid(source, parsed.issues[0]);
  const { upload = {}, metadata = {}, creator, origins } = parsed.output;

  const { minBytes = 0, maxBytes = Number.MAX_SAFE_INTEGER, fileTypes } = upload;
  if (minBytes > maxBytes)
    return invalid(`${source}.upload.minBytes`, {
      message: `must be at most maxBytes, ${maxBytes} (found: ${minBytes})`,
    });

  for (const [field, found] of Object.entries({ minBytes, ...(upload.maxBytes !== undefined && { maxBytes }) }))
    if (found > maxima.maxUploadBytes)
      return invalid(`${source}.upload.${field}`, {
        message: `must be at most ${maxima.maxUploadBytes}, Stream's maximum (found: ${found})`,
      });

  const rules = new Map<string, AnyRule>();
  let customKeys: CustomKeysRule | undefined;
  const entries = Object.entries(metadata);
  if (entries.length > MAX_RULES)
    return invalid(`${source}.metadata`, {
      message: `must have at most ${MAX_RULES} keys (found: ${entries.length})`,
    });
  for (const [key, ruleJson] of entries) {
    const path = `${source}.metadata.${key}`;
    if (key === "*") {
      const rule = v.safeParse(customKeysSchema, ruleJson);
      if (!rule.success) return invalid(path, rule.issues[0]);
      customKeys = rule.output;
      continue;
    }
    const rule = compileRule(key, path, ruleJson, maxima);
    if (!rule.ok) return rule;
    rules.set(key, rule.value);
  }

  return ok({
    source,
    json,
    upload: { minBytes, maxBytes, ...(fileTypes && { fileTypes }) },
    rules,
    ...(customKeys && { customKeys }),
    ...(creator && { creator: creator.from }),
    ...(origins && { origins }),
  });
}

/** Refuses a document, with the path of the fault. */
function invalid(root: string, issue: { readonly message: string; readonly path?: unknown }): Result<never> {
  const within = v.getDotPath(issue as v.BaseIssue<unknown>);
  const key = within ? `${root}.${within}` : root;
  return err(problem("body_invalid", `${key}: ${issue.message}`, { key }));
}
