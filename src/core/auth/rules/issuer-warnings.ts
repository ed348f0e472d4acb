import type { IssuerDocument } from "./issuer-document.ts";
import type { Warning } from "../../shared/warning.ts";

/** Supabase's and Clerk's names for what users write themselves. */
const WRITTEN_BY_USERS = /user_metadata|unsafe_metadata/;

/** @param sharing ids of other issuers whose persons are the same by migration, and that may speak for the same tenant */
export function issuerWarnings(document: IssuerDocument, sharing: readonly string[]): readonly Warning[] {
  const { tenant, subject, scopes, require = {}, name, issuerPart, anyAudience } = document;
  const claims: readonly (readonly [pointer: string, claims: string | readonly string[] | undefined])[] = [
    ["/issuerPart", issuerPart],
    ["/tenant/claim", tenant.claim],
    ["/subject/claim", subject.claim],
    ["/scopes/claim", Array.isArray(scopes) ? undefined : scopes.claim],
    ["/name/claim", name?.claim],
    ["/require", Object.keys(require)],
  ];
  const warnings: Warning[] = claims.flatMap(([pointer, names = []]) =>
    [names]
      .flat()
      .filter((claim) => WRITTEN_BY_USERS.test(claim))
      .map((found) => ({
        pointer,
        code: "claim_written_by_users",
        detail: "Users write this claim themselves.",
        found,
      })),
  );
  if (anyAudience)
    warnings.push({
      pointer: "/anyAudience",
      code: "any_audience",
      detail: "The keys must belong to one client alone: tokens of any client are accepted.",
    });
  if (sharing.length > 0)
    warnings.push({
      pointer: "/subject/namespace",
      code: "namespace_shared",
      detail: `Equal subjects of issuers that may speak for one tenant are one person: ${sharing.join(", ")}.`,
    });
  return warnings;
}
