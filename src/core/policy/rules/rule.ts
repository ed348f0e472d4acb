/** What the bounds of a rule may depend on, besides the value. */
export interface Context {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Bytes. */
  readonly length: number;
}

/** What happens to a value that a rule does not permit. */
export type OnViolation = "reject" | "clamp" | "drop";

/** One bound of a rule. */
export interface Constraint<V> {
  /** The verb in the document: `max`, `within`, … */
  readonly verb: string;
  /** Completes the sentence "name …": `must be at most 200 characters long`. */
  readonly message: string;
  allows(value: V, context: Context): boolean;
  /** The permitted value that is nearest, where there is such a thing. */
  clamp?(value: V, context: Context): V | undefined;
}

/** What one document says about one metadata key. */
export interface Rule<V> {
  /** Path of the rule: `policy.metadata.name`. */
  readonly path: string;
  readonly force?: (context: Context) => V;
  readonly default?: (context: Context) => V;
  readonly required: boolean;
  /** The path of what keeps the client from setting the key. */
  readonly deny?: string;
  readonly bounds: readonly Constraint<V>[];
  readonly onViolation: OnViolation;
}

/** A rule of some key or other: each key has values of its own, see METADATA_KEYS. */
// oxlint-disable-next-line typescript/no-explicit-any -- see above
export type AnyRule = Rule<any>;

/** How the values of one metadata key are read, bounded and written. */
export interface KeyType<V> {
  /** The client's decoded text as a value; undefined for what is none. */
  parse(text: string): V | undefined;
  /** The decoded text for Stream, "" for a bare key; undefined where the key must stay away. */
  format(value: V): string | undefined;
  /** What `parse` reads, to complete the sentence "name must be …". */
  readonly expects: string;
  /** Stream's own bounds: no policy can widen them. */
  readonly bounds: readonly Constraint<V>[];
  /** Applied where no policy has a default: keys that must always go upstream. */
  readonly default?: (context: Context) => V;
  /**
   * What Stream takes the key's absence for, where that is the widest value of all (a video without
   * `allowedorigins` plays anywhere): bounds judge it as if it had been asked for.
   */
  readonly absence?: V;
}
export interface CustomKeysRule {
  readonly allow: ReadonlySet<string>;
  readonly bounds: readonly Constraint<string>[];
  readonly onViolation: "drop" | "reject";
}
