import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Explanation, PolicyRequest } from "./policy-decision.ts";
import type { CreatorSource, Policy } from "./policy.ts";

/** Stream's bound for `Upload-Creator`. */
export const MAX_CREATOR_CHARACTERS = 64;

/** Printable ASCII: it goes into a header. */
const CREATOR = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

export function isCreator(text: string): boolean {
  return text.length <= MAX_CREATOR_CHARACTERS && CREATOR.test(text);
}

interface CreatorDecision {
  readonly explanation: Explanation;
  readonly value?: string;
  readonly refusal?: Problem;
}

/**
 * Decides `Upload-Creator`, by which Stream tells a tenant's users apart. `caller` is the subject of a JWT or a grant; an
 * API key speaks for the tenant, so with one the client's own header counts. `client` leaves the choice open, so another
 * document may narrow it; two that fix different creators contradict each other.
 */
export function decideCreator(policy: Policy, request: PolicyRequest): CreatorDecision {
  const requested = request.creator === undefined ? {} : { requested: request.creator };
  let fixed: { value: string | undefined; rule: string } | undefined;
  for (const [index, { source, creator }] of policy.entries()) {
    const from = creator ?? (index === 0 ? "caller" : "client");
    if (from === "client" || (from === "caller" && request.caller.kind === "api-key")) continue;
    const value = fixedCreator(from, request);
    const rule = `${source}.creator.from`;
    if (fixed && fixed.value !== value)
      return {
        explanation: { key: "creator", outcome: "refused", ...requested, rule },
        refusal: problem("policy_conflict", "The creator is fixed twice, to different values.", { key: "creator" }),
      };
    fixed ??= { value, rule };
  }

  const value = fixed ? fixed.value : request.creator;
  if (value === undefined)
    return {
      explanation: { key: "creator", outcome: request.creator === undefined ? "absent" : "dropped", ...requested },
    };
  if (!isCreator(value))
    return {
      explanation: { key: "creator", outcome: "refused", ...requested, rule: fixed?.rule ?? "stream.creator" },
      refusal: problem(
        "creator_invalid",
        `A creator is 1 to ${MAX_CREATOR_CHARACTERS} printable ASCII characters, not "${truncate(value)}".`,
        { key: "creator" },
      ),
    };
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
