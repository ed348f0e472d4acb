import * as v from "valibot";
import { integer } from "../shared/fields.ts";
import { invalidField } from "../shared/invalid-field.ts";
import { jsonObject } from "../shared/strict-object.ts";
import {
  DEFAULT_GRANT_SECONDS,
  DEFAULT_GRANT_UPLOADS,
  type Grant,
  MAX_GRANT_POLICY_BYTES,
  MAX_GRANT_SECONDS,
  MAX_GRANT_UPLOADS,
  MAX_REFERENCE_CHARACTERS,
  MIN_GRANT_SECONDS,
} from "./rules/grant.ts";
import { MAX_ACCESS_RULES } from "../policy/rules/access-rules.ts";
import { findContradiction } from "../policy/rules/contradiction.ts";
import { refuseFeature } from "../policy/rules/features.ts";
import { parsePolicy } from "../policy/rules/parse-policy.ts";
import { combinedAccessRules } from "../policy/rules/playback-bounds.ts";
import { type Policy, type PolicyDocument, narrow } from "../policy/rules/policy.ts";
import { uploadBounds } from "../quota/rules/upload-bounds.ts";
import { ANY_ACCOUNT } from "../stream/rules/defaults.ts";
import { type Problem, problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";
import type { Access } from "./authenticate.ts";
import { type ProvisionTenantPorts, provisionTenant } from "./provision-tenant.ts";
import { type Caller, refuseScope } from "./rules/caller.ts";
import { TENANT_NAMESPACE } from "./rules/person.ts";
import { SUBJECT_EXPECTED, isSubject } from "./rules/subject.ts";
import type { Tokens } from "../ports/tokens.ts";

export interface MintGrantPorts extends ProvisionTenantPorts {
  readonly tokens: Tokens;
  /** Seconds since the epoch. */
  readonly now: () => number;
  readonly newGrantId: () => string;
}

/** The end user that a grant is for, and who owns its uploads. */
export const grantSubject = v.optional(v.pipe(v.string(), v.check(isSubject, SUBJECT_EXPECTED)));

/** One line of text. Counts Unicode code points. */
const reference = v.pipe(
  v.string(),
  v.check(
    (text) => text !== "" && !/\p{Cc}/u.test(text) && [...text].length <= MAX_REFERENCE_CHARACTERS,
    `must be 1 to ${MAX_REFERENCE_CHARACTERS} characters on one line`,
  ),
);

export const mintGrantSchema = jsonObject({
  subject: grantSubject,
  /** By default an hour, or as long as the minting credential allows. */
  expiresIn: v.optional(integer(MIN_GRANT_SECONDS, MAX_GRANT_SECONDS)),
  /** The backend's own id for what is uploaded. */
  reference: v.optional(reference),
  /** How many files it is for. */
  uploads: v.optional(integer(1, MAX_GRANT_UPLOADS), DEFAULT_GRANT_UPLOADS),
  /** Whether it also signs playback tokens of its uploads. */
  playback: v.optional(v.boolean(), false),
  /** A policy document that narrows the tenant's. */
  policy: v.optional(v.unknown()),
});

export interface MintedGrant {
  readonly grant: Grant;
  readonly token: string;
}

/**
 * Mints a grant for one upload of one end user, or for a few. A JWT belongs to one end user and mints grants for that user only;
 * an API key acts for the whole tenant and mints grants for any subject. A grant that could never create an upload is refused
 * here, where the tenant's backend sees why, and not later in the end user's browser.
 */
export async function mintGrant(
  ports: MintGrantPorts,
  access: Access,
  body: v.InferOutput<typeof mintGrantSchema>,
): Promise<Result<MintedGrant>> {
  const { caller, tenant } = access;
  const own = caller.person?.subject;
  if (own !== undefined && body.subject !== undefined && body.subject !== own)
    return invalidField(
      "subject",
      `must be absent or the subject of your token, "${truncate(own)}" (found: "${truncate(body.subject)}")`,
    );
  const policy = parseGrantPolicy(body.policy);
  if (!policy.ok) return policy;
  const narrowed = narrow(tenant.policy, policy.value);
  const refusal = body.playback && refusePlayback(caller, narrowed);
  if (refusal) return err(refusal);
  const { person } = asGrant(caller, body.subject);
  const contradiction = findContradiction(
    narrowed,
    asGrant(caller, body.subject),
    uploadBounds(ANY_ACCOUNT, tenant.limits),
  );
  if (contradiction) return err(contradiction);

  const issuedAt = ports.now();
  const seconds = lifeOf(caller, issuedAt, body.expiresIn);
  if (!seconds.ok) return seconds;
  const made = await provisionTenant(ports, access);
  if (!made.ok) return made;
  const { reference, uploads, playback } = body;
  const grant: Grant = {
    id: ports.newGrantId(),
    tenant: tenant.id,
    issuedAt,
    expiresAt: issuedAt + seconds.value,
    ...(person && { person }),
    ...(body.policy !== undefined && { policy: body.policy }),
    ...(playback && { playback }),
    uploads,
    ...(reference !== undefined && { reference }),
    mintedBy: caller.iss === undefined ? { key: caller.credential } : { issuer: caller.credential, iss: caller.iss },
  };
  return ok({ grant, token: await ports.tokens.signGrant(grant) });
}

/** The caller that a grant makes: a JWT mints grants for its own person only, an API key for anyone of the namespace `tenant`. */
export function asGrant(
  { tenant, person }: Caller,
  subject: string | undefined,
): Pick<Caller, "tenant" | "person"> & { readonly kind: "grant" } {
  const of = person ?? (subject === undefined ? undefined : { namespace: TENANT_NAMESPACE, subject });
  return { tenant, kind: "grant", ...(of && { person: of }) };
}

function parseGrantPolicy(json: unknown): Result<PolicyDocument | undefined> {
  if (json === undefined) return ok(undefined);
  const policy = parsePolicy(json, "grant");
  if (!policy.ok) return policy;
  const bytes = new TextEncoder().encode(JSON.stringify(json)).byteLength;
  return bytes <= MAX_GRANT_POLICY_BYTES
    ? policy
    : invalidField("policy", `must have at most ${MAX_GRANT_POLICY_BYTES} bytes of JSON (found: ${bytes})`);
}

/** A credential does not hand out what it lacks, and a grant that can never sign a token is refused. */
function refusePlayback(caller: Caller, policy: Policy): Problem | undefined {
  const refusal = refuseScope(caller, "playback:sign") ?? refuseFeature(policy, "playback");
  return refusal ?? (combinedAccessRules(policy) ? undefined : RULES_CONFLICT);
}

const RULES_CONFLICT = problem(
  "policy_conflict",
  `No playback token can have the access rules of both policies: both have an allow, or they are more than ${MAX_ACCESS_RULES} together.`,
  { key: "accessRules" },
);

/** A grant lasts at most until its key expires, or as long as its issuer allows. @returns seconds */
function lifeOf(
  { expiresAt = Infinity, maxGrantSeconds }: Caller,
  issuedAt: number,
  expiresIn?: number,
): Result<number> {
  const most = maxGrantSeconds ?? Math.max(0, Math.floor(expiresAt / 1000) - issuedAt);
  const seconds = expiresIn ?? Math.min(DEFAULT_GRANT_SECONDS, most);
  if (seconds <= most) return ok(seconds);
  const why =
    maxGrantSeconds === undefined ? "since your API key expires then" : "the maxGrantSeconds of your token's issuer";
  return invalidField("expiresIn", `must be at most ${most}, ${why} (found: ${seconds})`);
}
