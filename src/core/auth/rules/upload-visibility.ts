import type { Caller } from "./caller.ts";
import type { Policy } from "../../policy/rules/policy.ts";
import type { Upload } from "../../uploads/rules/upload-state.ts";

/** Whose uploads a caller may see and cancel: all of its tenant's, those of one creator, or none. */
export type UploadVisibility =
  | { readonly kind: "tenant" }
  | { readonly kind: "creator"; readonly creator: string }
  | { readonly kind: "none" };

/**
 * An API key speaks for the tenant. Whoever has a subject is one end user, and reaches the uploads that carry it as their
 * creator; but only where the policy takes the creator from the caller. Otherwise it is what some client said, or the same
 * for all, and tells nothing of whose an upload is: then an end user has none here, and the tenant's backend has to ask.
 */
export function visibilityOf({ subject }: Pick<Caller, "subject">, policy: Policy): UploadVisibility {
  if (subject === undefined) return { kind: "tenant" };
  // As `decideCreator` has it: the tenant's document decides, and says `caller` where it says nothing.
  const from = policy[0]?.creator ?? "caller";
  return from === "caller" ? { kind: "creator", creator: subject } : { kind: "none" };
}

export function canAccess(reach: UploadVisibility, { creator }: Pick<Upload, "creator">): boolean {
  switch (reach.kind) {
    case "tenant":
      return true;
    case "creator":
      return creator === reach.creator;
    case "none":
      return false;
    default:
      return reach satisfies never;
  }
}

/**
 * A question about uploads, kept within a reach: of the creator that was asked for, or of all that is reached. Undefined:
 * nothing of what is asked for is within.
 */
export function restrictToVisible<Question extends { readonly creator?: string }>(
  reach: UploadVisibility,
  question: Question,
): Question | undefined {
  switch (reach.kind) {
    case "tenant":
      return question;
    case "creator":
      return question.creator === undefined || question.creator === reach.creator
        ? { ...question, creator: reach.creator }
        : undefined;
    case "none":
      return undefined;
    default:
      return reach satisfies never;
  }
}
