/** A policy document, as far as its paths go. */
export interface DocumentSource {
  /** Whose document: `policy` is the tenant's, `plan` its plan's, `grant` a grant's. Rule paths in explanations begin with it. */
  readonly source: "policy" | "plan" | "grant";
  /** The entries that a document has from the plan that it was combined with: see `combineDocuments`. */
  readonly inherited?: ReadonlySet<string>;
}

/** The path of an entry that is no rule, such as `plan.upload.maxBytes`. */
export function memberPath({ source, inherited }: DocumentSource, member: string): string {
  return `${inherited?.has(`.${member}`) ? "plan" : source}.${member}`;
}
