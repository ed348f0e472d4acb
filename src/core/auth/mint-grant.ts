import * as v from "valibot";
import { jsonObject } from "../shared/strict-object.ts";
import {
  DEFAULT_GRANT_SECONDS,
  type Grant,
  MAX_GRANT_POLICY_BYTES,
  MAX_GRANT_SECONDS,
  MIN_GRANT_SECONDS,
} from "./rules/grant.ts";
import { isCreator } from "../policy/rules/creator.ts";
import { parsePolicy } from "../policy/rules/policy.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";
import type { Access } from "./authenticate.ts";
import type { Tokens } from "../ports/tokens.ts";

export interface MintGrantPorts {
  readonly tokens: Tokens;
  /** Seconds since the epoch. */
  readonly now: () => number;
  readonly newGrantId: () => string;
}

/** The end user that a grant is for, and so the creator of its upload. */
export const grantSubject = v.optional(
  v.pipe(v.string(), v.check(isCreator, "must be 1 to 64 printable ASCII characters")),
);

export const mintGrantSchema = jsonObject({
  subject: grantSubject,
  /** Seconds. */
  expiresIn: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(MIN_GRANT_SECONDS), v.maxValue(MAX_GRANT_SECONDS)),
    DEFAULT_GRANT_SECONDS,
  ),
  /** A policy document that narrows the tenant's. */
  policy: v.optional(v.unknown()),
});

export interface MintedGrant {
  readonly grant: Grant;
  readonly token: string;
}

/**
 * Mints a grant for one upload of one end user. A JWT belongs to one end user and mints grants for that user only; an API
 * key acts for the whole tenant and mints grants for any subject.
 */
export async function mintGrant(
  ports: MintGrantPorts,
  { caller, tenant }: Access,
  body: v.InferOutput<typeof mintGrantSchema>,
): Promise<Result<MintedGrant>> {
  if (caller.subject !== undefined && body.subject !== undefined && body.subject !== caller.subject)
    return err(
      problem(
        "body_invalid",
        `subject: must be absent or the subject of your token, "${truncate(caller.subject)}" (found: "${truncate(body.subject)}").`,
        { key: "subject" },
      ),
    );
  if (body.policy !== undefined) {
    const policy = parsePolicy(body.policy, "grant");
    if (!policy.ok) return policy;
    const bytes = new TextEncoder().encode(JSON.stringify(body.policy)).byteLength;
    if (bytes > MAX_GRANT_POLICY_BYTES)
      return err(
        problem(
          "body_invalid",
          `policy: must have at most ${MAX_GRANT_POLICY_BYTES} bytes of JSON (found: ${bytes}).`,
          {
            key: "policy",
          },
        ),
      );
  }

  const issuedAt = ports.now();
  const subject = caller.subject ?? body.subject;
  const grant: Grant = {
    id: ports.newGrantId(),
    tenant: tenant.id,
    issuedAt,
    expiresAt: issuedAt + body.expiresIn,
    ...(subject !== undefined && { subject }),
    ...(body.policy !== undefined && { policy: body.policy }),
    mintedBy: caller.iss === undefined ? { key: caller.credential } : { issuer: caller.credential, iss: caller.iss },
  };
  return ok({ grant, token: await ports.tokens.signGrant(grant) });
}
