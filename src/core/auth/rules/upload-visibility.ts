import type { Caller } from "./caller.ts";
import { creatorSourceOf } from "../../policy/rules/creator.ts";
import { type Policy, tenantDocument } from "../../policy/rules/policy.ts";
import type { Upload } from "../../uploads/rules/upload-state.ts";

/** The uploads that a caller may read and cancel: all of its tenant, those of one grant or of one creator, or none. */
export type UploadVisibility =
  | { readonly kind: "tenant" }
  | { readonly kind: "grant"; readonly id: string }
  | { readonly kind: "creator"; readonly creator: string }
  | { readonly kind: "none" };

/**
 * An API key acts for the whole tenant. A grant has the uploads that were created under it, whatever its subject and their
 * creators: it is one creation's key, not an end user's. A caller with a subject is one end user, and has the uploads whose creator is that
 * subject, if the tenant's policy takes creators from callers. With any other creator source, the creator does not tell
 * whose an upload is: end users then have access to none, and the tenant's backend must use an API key.
 */
export function visibilityOf(
  { kind, credential, subject }: Pick<Caller, "kind" | "credential" | "subject">,
  policy: Policy,
): UploadVisibility {
  if (kind === "grant") return { kind, id: credential };
  if (subject === undefined) return { kind: "tenant" };
  return creatorSourceOf(tenantDocument(policy)) === "caller"
    ? { kind: "creator", creator: subject }
    : { kind: "none" };
}

export function canAccess(
  visibility: UploadVisibility,
  { creator, grant }: Pick<Upload, "creator" | "grant">,
): boolean {
  switch (visibility.kind) {
    case "tenant":
      return true;
    case "grant":
      return grant === visibility.id;
    case "creator":
      return creator === visibility.creator;
    case "none":
      return false;
    default:
      return visibility satisfies never;
  }
}

/**
 * Restricts a query to the uploads that the caller may read.
 *
 * @returns `undefined` if it asks for the uploads of another creator, or if none are visible; a grant lists none, since its
 *   holder knows the ids of its uploads
 */
export function restrictToVisible<Query extends { readonly creator?: string }>(
  visibility: UploadVisibility,
  query: Query,
): Query | undefined {
  switch (visibility.kind) {
    case "tenant":
      return query;
    case "creator":
      return query.creator === undefined || query.creator === visibility.creator
        ? { ...query, creator: visibility.creator }
        : undefined;
    case "grant":
    case "none":
      return undefined;
    default:
      return visibility satisfies never;
  }
}
