import type { CreatorFilter } from "../../uploads/rules/upload-record.ts";
import type { Upload } from "../../uploads/rules/upload-state.ts";
import type { Caller } from "./caller.ts";
import { personKey } from "./person-key.ts";

/**
 * Which uploads a caller may read and cancel. An API key acts for the whole tenant. A grant has the uploads that were created under
 * it, whoever its subject is: it is one creation's key, not an end user's. A JWT is an end user's, and has the uploads of this person.
 */
export type Viewer = Pick<Caller, "tenant" | "kind" | "credential" | "person">;

export function canAccess(
  { kind, credential, person }: Viewer,
  { person: owner, grant }: Pick<Upload, "person" | "grant">,
): boolean {
  switch (kind) {
    case "api-key":
      return true;
    case "grant":
      return grant === credential;
    case "jwt":
      return owner !== undefined && owner.subject === person?.subject && owner.namespace === person.namespace;
    default:
      return kind satisfies never;
  }
}

/**
 * Restricts a query to the uploads that the caller may read. The creator of the query is a subject, or what Stream is told.
 *
 * @returns `undefined` if none are visible: a grant lists none, since its holder knows the ids of its uploads
 */
export function restrictToVisible<Query extends { readonly creator?: string }>(
  { tenant, kind, person }: Viewer,
  query: Query,
): (Query & CreatorFilter) | undefined {
  const { creator } = query;
  if (kind === "api-key") return creator === undefined ? query : { ...query, orLabel: true };
  if (kind === "grant" || !person) return undefined;
  const isOther = creator !== undefined && creator !== person.subject;
  return { ...query, creator: personKey(person, tenant), ...(isOther && { label: creator }) };
}
