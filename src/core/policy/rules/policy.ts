import type { Problem } from "../../shared/problem.ts";
import type { AccessRule } from "./access-rules.ts";
import type { Feature } from "./features.ts";
import type { DocumentSource } from "./member-path.ts";
import type { AnyRule, CustomKeysRule } from "./rule.ts";

/** The tenant's document, then a grant's if there is one. A creation must satisfy all of them. */
export type Policy = readonly [tenant: PolicyDocument, ...narrowedBy: PolicyDocument[]];

/** One policy document, compiled. */
export interface PolicyDocument extends DocumentSource {
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
  /** What is allowed besides uploads; absent: all of it. */
  readonly features?: readonly Feature[];
  /** See `playbackBounds` for what is absent. */
  readonly playback: Partial<PlaybackBounds>;
  /** It has entries that are `null`, which remove those of a plan. */
  readonly removes?: true;
  /** Why no creation can satisfy a document that was combined with a plan's. */
  readonly conflict?: Problem;
}

/** What a playback token may be. */
export interface PlaybackBounds {
  /** The longest life of a token. */
  readonly maxSeconds: number;
  /** Every token has these. */
  readonly accessRules: readonly AccessRule[];
  /** Whether a token may also be for the video's download, which is beyond all bounds once it is made. */
  readonly downloadable: boolean;
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
