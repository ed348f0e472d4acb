import type { Problem } from "../../shared/problem.ts";
import type { AnyRule, CustomKeysRule } from "./rule.ts";

/** The tenant's document, then a grant's if there is one. A creation must satisfy all of them. */
export type Policy = readonly [tenant: PolicyDocument, ...narrowedBy: PolicyDocument[]];

/** One policy document, compiled. */
export interface PolicyDocument {
  /** Whose document: `policy` is the tenant's, `plan` its plan's, `grant` a grant's. Rule paths in explanations begin with it. */
  readonly source: "policy" | "plan" | "grant";
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
  /** Rules by lower-case key: Stream's keys and custom keys. */
  readonly rules: ReadonlyMap<string, AnyRule>;
  /** The document's spelling of the custom keys that it has a rule for or allows, by lower-case key. */
  readonly spellings: ReadonlyMap<string, string>;
  /** The rule `*`, for custom keys that have no rule of their own. */
  readonly customKeys?: CustomKeysRule;
  readonly creator?: {
    readonly from?: CreatorSource;
    /** Before every creator, so that those of two tenants differ at Stream. */
    readonly prefix?: string;
  };
  /** Browser origins that may create uploads; absent: any. */
  readonly origins?: readonly string[];
  /** It has entries that are `null`, which remove those of a plan. */
  readonly removes?: true;
  /** The entries that a document has from the plan that it was combined with: see `combineDocuments`. */
  readonly inherited?: ReadonlySet<string>;
  /** Why no creation can satisfy a document that was combined with a plan's. */
  readonly conflict?: Problem;
}

/** The path of an entry that is no rule, such as `plan.upload.maxBytes`. */
export function memberPath({ source, inherited }: PolicyDocument, member: string): string {
  return `${inherited?.has(`.${member}`) ? "plan" : source}.${member}`;
}

export const CREATOR_SOURCES = ["caller", "client", "tenant", "none"] as const;
export type CreatorSource = (typeof CREATOR_SOURCES)[number];

export function tenantDocument([tenant]: Policy): PolicyDocument {
  return tenant;
}

/** Adds a grant's document. The result accepts only what both accept: each document is applied to every creation. */
export function narrow(policy: Policy, grant: PolicyDocument | undefined): Policy {
  return grant ? [...policy, grant] : policy;
}
