import { type Person, TENANT_NAMESPACE } from "../../auth/rules/person.ts";
import { type Problem, problem } from "../../shared/problem.ts";
import { truncate } from "../../shared/text.ts";
import type { Explanation, PolicyRequest } from "./policy-decision.ts";
import { memberPath } from "./member-path.ts";
import type { CreatorSource, Policy, PolicyDocument } from "./policy.ts";

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
export function creatorSourceOf({ source, creator }: PolicyDocument): CreatorSource {
  return creator?.from ?? (source === "policy" ? "caller" : "client");
}

/** What the creator depends on. */
export type CreatorRequest = Pick<PolicyRequest, "caller" | "creator" | "creatorDigest">;

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
  /** Undefined: no creator. */
  readonly person: Person | undefined;
  /** The rule that fixes it. */
  readonly fixedBy: string | undefined;
  readonly prefix: string;
  readonly prefixedBy: string | undefined;
  /** The rule that contradicts another. */
  readonly conflict: string | undefined;
}

/**
 * Decides the person whose upload it is, and `Upload-Creator`, the id by which Stream separates a tenant's users. `caller` is the
 * person of a JWT or grant; an API key acts for the whole tenant, so the client's own header names its person. `client` leaves the
 * choice open for another document to narrow; two documents that fix different creators, or prefixes, contradict each other.
 */
export function decideCreator(policy: Policy, request: CreatorRequest): CreatorDecision {
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
  const value = choice.prefix + (fits(choice) ? choice.person.subject : (request.creatorDigest ?? ""));
  if (value === creator) return { ...explain("accepted", { applied: value }), ...owner, value };
  return { ...explain("forced", { applied: value, rule: choice.fixedBy ?? choice.prefixedBy }), ...owner, value };
}

/** The person of whom Stream is told a digest, since the subject does not fit; it is needed as `creatorDigest`. */
export function personToDigest(policy: Policy, request: CreatorRequest): Person | undefined {
  const choice = choose(policy, request);
  return choice.person && !fits(choice) ? choice.person : undefined;
}

function fits({ prefix, person }: Choice): boolean {
  return person !== undefined && isCreator(prefix + person.subject);
}

function choose(policy: Policy, { caller, creator }: CreatorRequest): Choice {
  let person: Person | undefined;
  let prefix = "";
  let [fixedBy, prefixedBy, conflict]: (string | undefined)[] = [];
  for (const document of policy) {
    const path = memberPath(document, "creator");
    const ownPrefix = document.creator?.prefix;
    if (ownPrefix !== undefined) {
      if (prefixedBy !== undefined && prefix !== ownPrefix) conflict = `${path}.prefix`;
      [prefix, prefixedBy] = [ownPrefix, `${path}.prefix`];
    }
    const from = creatorSourceOf(document);
    if (from === "client" || (from === "caller" && caller.kind === "api-key")) continue;
    const fixed = fixedPerson(from, caller);
    if (fixedBy !== undefined && person?.subject !== fixed?.subject) conflict = `${path}.from`;
    [person, fixedBy] = [fixed, `${path}.from`];
  }
  if (fixedBy === undefined) person = clientsPerson(creator);
  return { person, fixedBy, prefix, prefixedBy, conflict };
}

function clientsPerson(subject: string | undefined): Person | undefined {
  return subject === undefined ? undefined : { namespace: TENANT_NAMESPACE, subject };
}

function fixedPerson(
  from: Exclude<CreatorSource, "client">,
  { person, tenant }: PolicyRequest["caller"],
): Person | undefined {
  switch (from) {
    case "caller":
      return person;
    case "tenant":
      return clientsPerson(tenant);
    case "none":
      return undefined;
    default:
      return from satisfies never;
  }
}
