import * as v from "valibot";
import { jsonObject } from "../../shared/strict-object.ts";
import { STREAM_MAX_UPLOAD_BYTES } from "../../uploads/rules/tus-creation.ts";
import { problem } from "../../shared/problem.ts";
import { type Result, ok, err } from "../../shared/result.ts";
import { compileRule, customKeysSchema } from "./compile-rule.ts";
import { ORIGIN } from "./hosts.ts";
import type { AnyRule, CustomKeysRule } from "./rule.ts";

/** What a creation may, must and will carry: one or more documents, the tenant's first, each narrowing those before. */
export type Policy = readonly PolicyDocument[];

/** One policy document, compiled. `source` names it in explanations: `policy` is the tenant's, `grant` a grant's. */
export interface PolicyDocument {
  readonly source: "policy" | "grant";
  /** The document as it was written. */
  readonly json: unknown;
  readonly upload: {
    /** Bytes. */
    readonly minBytes: number;
    /** Bytes. */
    readonly maxBytes: number;
    /** `video/mp4`, `video/*`; undefined: any. */
    readonly fileTypes?: readonly string[];
  };
  /** Lower-case metadata key → what the document says about it. */
  readonly rules: ReadonlyMap<string, AnyRule>;
  /** What `*` says about the keys that have no rule of their own; undefined: nothing. */
  readonly customKeys?: CustomKeysRule;
  readonly creator?: CreatorSource;
  /** Browser origins that may create uploads; undefined: any. */
  readonly origins?: readonly string[];
}

const CREATOR_SOURCES = ["caller", "client", "tenant", "none"] as const;
export type CreatorSource = (typeof CREATOR_SOURCES)[number];

/**
 * The policy that permits only what both permit: the documents are held against a creation one after the other, and the
 * outcome against all of them again. A grant's document narrows its tenant's this way.
 */
export function narrow(policy: Policy, by: Policy): Policy {
  return [...policy, ...by];
}

const MAX_ORIGINS = 100;
const MAX_FILE_TYPES = 50;
const MAX_RULES = 64;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(STREAM_MAX_UPLOAD_BYTES));
const mediaType = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.+-]*\/(?:\*|[a-z0-9][a-z0-9.+-]*)$/));

/** The frame of a document; `metadata` is read key by key, since each has verbs of its own. */
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

/** Reads a policy document as the operator or a grant writes it (JSON); refuses contradictions within it too. */
export function parsePolicy(json: unknown, source: PolicyDocument["source"]): Result<PolicyDocument> {
  const parsed = v.safeParse(documentSchema, json);
  if (!parsed.success) return invalid(source, parsed.issues[0]);
  const { upload = {}, metadata = {}, creator, origins } = parsed.output;

  const { minBytes = 0, maxBytes = STREAM_MAX_UPLOAD_BYTES, fileTypes } = upload;
  if (minBytes > maxBytes) return invalid(`${source}.upload.minBytes`, { message: "is more than maxBytes" });

  const rules = new Map<string, AnyRule>();
  let customKeys: CustomKeysRule | undefined;
  const entries = Object.entries(metadata);
  if (entries.length > MAX_RULES) return invalid(`${source}.metadata`, { message: `has more than ${MAX_RULES} keys` });
  for (const [key, ruleJson] of entries) {
    const path = `${source}.metadata.${key}`;
    if (key === "*") {
      const rest = v.safeParse(customKeysSchema, ruleJson);
      if (!rest.success) return invalid(path, rest.issues[0]);
      customKeys = rest.output;
      continue;
    }
    const rule = compileRule(key, path, ruleJson);
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

/** The refusal of a document, with the path to what is wrong in it. */
export function invalid(root: string, issue: { readonly message: string; readonly path?: unknown }): Result<never> {
  const within = v.getDotPath(issue as v.BaseIssue<unknown>);
  const key = within ? `${root}.${within}` : root;
  return err(problem("body_invalid", `${key}: ${issue.message}`, { key }));
}
