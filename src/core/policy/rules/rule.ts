import type { UploadBounds } from "../../quota/rules/upload-bounds.ts";

/** What a constraint may depend on, besides the value. */
export interface Context {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Bytes: the length of the upload. */
  readonly length: number;
  readonly bounds: UploadBounds;
}

/** What happens to a value that a rule does not allow. */
export type OnViolation = "reject" | "clamp" | "drop";

/** One bound on the value of a metadata key. */
export interface Constraint<V> {
  /** The verb in the document: `max`, `within`, … */
  readonly verb: string;
  /** Completes the sentence "name …": `must be at most 200 characters long`. */
  readonly message: string | ((context: Context) => string);
  allows(value: V, context: Context): boolean;
  /** @returns the nearest allowed value; `undefined` if there is none */
  clamp?(value: V, context: Context): V | undefined;
  /**
   * Values of which one satisfies all constraints of a key, if any value does: the ends of a range, the items of a list. Absent
   * if the constraint is not compared with others.
   */
  readonly candidates?: (context: Context) => readonly V[];
}

/** The rule of one document for one metadata key. */
export interface Rule<V> {
  /** Path of the rule: `policy.metadata.name`. */
  readonly path: string;
  readonly force?: (context: Context) => V;
  readonly default?: (context: Context) => V;
  readonly required: boolean;
  /** Path of the setting that keeps clients from sending the key; absent if they may. */
  readonly deny?: string;
  readonly constraints: readonly Constraint<V>[];
  readonly onViolation: OnViolation;
}

/** A rule for any key. The type of the values depends on the key, see METADATA_KEYS. */
// oxlint-disable-next-line typescript/no-explicit-any -- see above
export type AnyRule = Rule<any>;

/** The rule `*` of one document: for all custom keys that have no rule of their own. */
export interface CustomKeysRule {
  /** Path of the rule: `policy.custom.*`. */
  readonly path: string;
  /** In lower case. */
  readonly allow: ReadonlySet<string>;
  readonly constraints: readonly Constraint<string>[];
  /** For keys that are not allowed. */
  readonly onViolation: "drop" | "reject";
}

/** How the values of one metadata key are parsed, constrained and formatted. */
export interface KeyType<V> {
  /** Parses the client's decoded text. @returns `undefined` if it is not a value of this key */
  parse(text: string): V | undefined;
  /** Formats the text for Stream, "" for a bare key. @returns `undefined` if the key must be absent */
  format(value: V): string | undefined;
  /** What `parse` accepts; completes the sentence "name must be …". */
  readonly expects: string;
  /** Stream's own bounds: no policy can widen them. */
  readonly constraints: readonly Constraint<V>[];
  /** Used if no policy has a default: for keys that must always be sent to Stream. */
  readonly default?: (context: Context) => V;
  /** What decided the `default`, for the explanation. Absent: Stream. */
  readonly defaultRule?: (context: Context) => string;
  /**
   * The value that Stream assumes if the key is absent, where that is the widest value of all (a video without
   * `allowedorigins` plays anywhere). Constraints apply to it as if the client had requested it.
   */
  readonly absence?: V;
}
