import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Explanation, PolicyRequest } from "./policy-decision.ts";
import { type CreatorSource, type Policy, type PolicyDocument, memberPath } from "./policy.ts";

/** Stream's limit for `Upload-Creator`. */
export const MAX_CREATOR_CHARACTERS = 64;

/** Printable ASCII, because it is sent in a header. */
const CREATOR = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

export function isCreator(text: string): boolean {
  return text.length <= MAX_CREATOR_CHARACTERS && CREATOR.test(text);
}

/** Where a document takes the creator from. A grant that does not say leaves it to the tenant's document. */
export function creatorSourceOf({ source, creator }: PolicyDocument): CreatorSource {
  return creator ?? (source === "policy" ? "caller" : "client");
}

interface CreatorDecision {
  readonly explanation: Explanation;
  readonly value?: string;
  readonly refusal?: Problem;
}

/**
 * Decides `Upload-Creator`, the id by which Stream separates a tenant's users. `caller` is the subject of a JWT or grant;
 * an API key acts for the whole tenant and has none, so the client's own header is used. `client` leaves the choice open
 * for another document to narrow; two documents that fix different creators contradict each other.
 */
export function decideCreator(policy: Policy, request: PolicyRequest): CreatorDecision {
  const requested = request.creator === undefined ? {} : { requested: request.creator };
  let fixed: { value: string | undefined; rule: string } | undefined;
  for (const document of policy) {
    const from = creatorSourceOf(document);
    if (from === "client" || (from === "caller" && request.caller.kind === "api-key")) continue;
    const value = fixedCreator(from, request);
    const rule = `${memberPath(document, "creator")}.from`;
    if (fixed && fixed.value !== value)
      return {
        explanation: { key: "creator", outcome: "refused", ...requested, rule },
        refusal: problem("policy_conflict", "creator is fixed to different values by the policy and the grant.", {
          key: "creator",
        }),
      };
    fixed ??= { value, rule };
  }

  const value = fixed ? fixed.value : request.creator;
  if (value === undefined)
    return {
      explanation: { key: "creator", outcome: request.creator === undefined ? "absent" : "dropped", ...requested },
    };
  if (!isCreator(value)) {
    const found = `${fixed ? "subject" : "requested"}: "${truncate(value)}"`;
    return {
      explanation: { key: "creator", outcome: "refused", ...requested, rule: fixed?.rule ?? "stream.creator" },
      refusal: problem(
        "creator_invalid",
        `creator must be 1 to ${MAX_CREATOR_CHARACTERS} printable ASCII characters (${found}).`,
        { key: "creator" },
      ),
    };
  }
  if (!fixed || value === request.creator)
    return { explanation: { key: "creator", outcome: "accepted", ...requested, applied: value }, value };
  return { explanation: { key: "creator", outcome: "forced", ...requested, applied: value, rule: fixed.rule }, value };
}

function fixedCreator(from: Exclude<CreatorSource, "client">, { caller }: PolicyRequest): string | undefined {
  switch (from) {
    case "caller":
      return caller.subject;
    case "tenant":
      return caller.tenant;
    case "none":
      return undefined;
    default:
      return from satisfies never;
  }
}
