import { type Person, TENANT_NAMESPACE } from "../../auth/rules/person.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Explanation, PolicyRequest } from "./policy-decision.ts";
import { type CreatorSource, type Policy, type PolicyDocument, memberPath } from "./policy.ts";

/** Stream's limit for `Upload-Creator`. */
export const MAX_CREATOR_CHARACTERS = 64;

/** A digest of 43 characters fits behind it. */
const MAX_PREFIX_CHARACTERS = 20;

/** Printable ASCII, because it is sent in a header. */
const CREATOR = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const PREFIX = /^[\x21-\x7e][\x20-\x7e]*$/;

export const PREFIX_EXPECTED = `must be 1 to ${MAX_PREFIX_CHARACTERS} printable ASCII characters`;

export function isCreator(text: string): boolean {
  return text.length <= MAX_CREATOR_CHARACTERS && CREATOR.test(text);
}

export function isCreatorPrefix(text: string): boolean {
  return text.length <= MAX_PREFIX_CHARACTERS && PREFIX.test(text);
}

/** Where a document takes the creator from. A grant that does not say leaves it to the tenant's document. */
function creatorSourceOf({ source, creator }: PolicyDocument): CreatorSource {
  return creator?.from ?? (source === "policy" ? "caller" : "client");
}

interface CreatorDecision {
  readonly explanation: Explanation;
  /** What Stream is told. */
  readonly value?: string;
  /** Whose upload it is, whatever Stream is told. */
  readonly person?: Person;
  readonly refusal?: Problem;
}

/** What decides the creator: a document, or the client. */
interface Choice {
  /** Absent: no creator. */
  readonly person?: Person;
  /** The rule of the document that fixes it. */
  readonly fixedBy?: string;
  readonly prefix: string;
  readonly prefixedBy?: string;
  /** The rule of a document that contradicts another. */
  readonly conflict?: string;
}

/**
 * Decides the person whose upload it is, and `Upload-Creator`, the id by which Stream separates a tenant's users. `caller` is the
 * person of a JWT or grant; an API key acts for the whole tenant, so the client's own header names its person. `client` leaves the
 * choice open for another document to narrow; two documents that fix different creators, or prefixes, contradict each other.
 */
export function decideCreator(policy: Policy, request: PolicyRequest): CreatorDecision {
  const { creator, caller } = request;
  const requested = creator === undefined ? {} : { requested: creator };
  const choice = choose(policy, request);
  const explain = (outcome: Explanation["outcome"], more: Partial<Explanation> = {}) => ({
    explanation: { key: "creator", outcome, ...requested, ...more },
  });

  if (choice.conflict !== undefined)
    return {
      ...explain("refused", { rule: choice.conflict }),
      refusal: problem("policy_conflict", "creator is fixed to different values by the policy and the grant.", {
        key: "creator",
      }),
    };
  const isUsed = choice.fixedBy === undefined || caller.kind === "api-key";
  if (creator !== undefined && isUsed && !isCreator(creator))
    return {
      ...explain("refused", { rule: "stream.creator" }),
      refusal: problem(
        "creator_invalid",
        `creator must be 1 to ${MAX_CREATOR_CHARACTERS} printable ASCII characters (requested: "${truncate(creator)}").`,
        { key: "creator" },
      ),
    };

  const person = caller.person ?? (caller.kind === "api-key" ? clientsPerson(creator) : undefined);
  const owner = person ? { person } : {};
  if (!choice.person) return { ...explain(creator === undefined ? "absent" : "dropped"), ...owner };
  const { prefix } = choice;
  const value = prefix + (fits(choice) ? choice.person.subject : (request.creatorDigest ?? ""));
  if (value === creator) return { ...explain("accepted", { applied: value }), ...owner, value };
  return { ...explain("forced", { applied: value, rule: choice.fixedBy ?? choice.prefixedBy }), ...owner, value };
}

/** The person of whom Stream is told a digest, since the subject does not fit; it is needed as `creatorDigest`. */
export function personToDigest(policy: Policy, request: PolicyRequest): Person | undefined {
  const choice = choose(policy, request);
  return choice.person && !fits(choice) ? choice.person : undefined;
}

function fits({ prefix, person }: Choice): boolean {
  return person !== undefined && isCreator(prefix + person.subject);
}

function choose(policy: Policy, request: PolicyRequest): Choice {
  let choice: Choice = { prefix: "" };
  for (const document of policy) {
    const { creator } = document;
    const path = memberPath(document, "creator");
    const from = creatorSourceOf(document);
    if (creator?.prefix !== undefined) {
      const prefixedBy = `${path}.prefix`;
      if (choice.prefixedBy !== undefined && choice.prefix !== creator.prefix)
        return { ...choice, conflict: prefixedBy };
      choice = { ...choice, prefix: creator.prefix, prefixedBy };
    }
    if (from === "client" || (from === "caller" && request.caller.kind === "api-key")) continue;
    const person = fixedPerson(from, request);
    const fixedBy = `${path}.from`;
    if (choice.fixedBy === undefined) choice = { ...choice, fixedBy, ...(person && { person }) };
    else if (choice.person?.subject !== person?.subject) return { ...choice, conflict: fixedBy };
  }
  const clients = choice.fixedBy === undefined ? clientsPerson(request.creator) : undefined;
  return clients ? { ...choice, person: clients } : choice;
}

function clientsPerson(subject: string | undefined): Person | undefined {
  return subject === undefined ? undefined : { namespace: TENANT_NAMESPACE, subject };
}

function fixedPerson(from: Exclude<CreatorSource, "client">, { caller }: PolicyRequest): Person | undefined {
  switch (from) {
    case "caller":
      return caller.person;
    case "tenant":
      return clientsPerson(caller.tenant);
    case "none":
      return undefined;
    default:
      return from satisfies never;
  }
}
