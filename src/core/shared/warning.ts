/** Something in a document that is accepted but hardly meant. All warnings of the API have this form. */
export interface Warning {
  /** JSON pointer (RFC 6901) into the document. */
  readonly pointer: string;
  /** Stable, for programs. */
  readonly code: WarningCode;
  /** One sentence for people. */
  readonly detail: string;
  /** The value at the pointer. */
  readonly found?: number | string;
  /** The nearest value without the warning. */
  readonly nearest?: number | string;
}

export const WARNING_CODES = [
  "upstream_unchecked",
  "limit_zero",
  "limit_below_policy",
  "limit_without_effect",
  "limit_not_counted",
  "default_above_limit",
  "maximum_above_limit",
  "basic_links_refused",
  "null_origin",
  "unknown_metadata_key",
  "setting_without_effect",
  "policy_unreadable",
  "policy_conflict",
  "custom_key_like_metadata_key",
  "any_audience",
  "claim_written_by_users",
  "namespace_shared",
] as const;

export type WarningCode = (typeof WARNING_CODES)[number];
