import { type Issuer, isForTenant } from "./rules/issuer.ts";
import { checkAudience, checkParty, checkRequired } from "./rules/token-checks.ts";
import { refuseToken } from "./rules/refuse-token.ts";
import { TOKEN_STEPS } from "./rules/token-step.ts";
import { MAX_SIGNATURE_CHECKS, type VerifiedToken, type WalkTokenPorts, walkToken } from "./walk-token.ts";
import { findTenant } from "./find-tenant.ts";
import type { Registry } from "../ports/registry.ts";
import type { UnverifiedJwt } from "../ports/tokens.ts";
import { type Problem, problem } from "../shared/problem.ts";
import { type Result, err, ok } from "../shared/result.ts";
import { truncate } from "../shared/text.ts";

export interface VerifyJwtPorts extends WalkTokenPorts {
  readonly registry: Registry;
}

/** Enough for an issuer per audience or key set; each one may cost a request for its keys. */
const MAX_ISSUERS = 8;

/**
 * Verifies a JWT with all issuers that it may be of, best first: several may have the same `iss`, for other tenants, audiences or
 * keys. The first that it passes with, for the tenant in the path, is the one, and rather one that gives it a scope. It is the same for
 * all routes, as it says whose the uploads are.
 *
 * @returns the problem of the issuer with which it came furthest, if there is none
 */
export async function verifyJwt(
  ports: VerifyJwtPorts,
  jwt: UnverifiedJwt,
  issuers: readonly Issuer[],
  tenantInPath: string,
): Promise<Result<VerifiedToken>> {
  const left = { left: MAX_SIGNATURE_CHECKS };
  let withoutScope: Result<VerifiedToken> | undefined;
  let furthest: Problem | undefined;
  for (const issuer of bestFirst(issuers, jwt, tenantInPath).slice(0, MAX_ISSUERS)) {
    const { outcome } = await walkToken(ports, jwt, issuer, left);
    let refusal: Problem;
    if (!outcome.ok) refusal = outcome.problem;
    else if (outcome.value.caller.tenant !== tenantInPath) refusal = otherTenant(outcome.value.caller.tenant, "tenant");
    else {
      // Of two issuers that make tenants, only one has made this.
      const tenant = issuers.length < 2 ? ok(undefined) : await findTenant(ports.registry, outcome.value.caller);
      if (tenant.ok || tenant.problem.code !== "tenant_mismatch") {
        if (outcome.value.caller.scopes.size > 0) return outcome;
        withoutScope ??= outcome;
        continue;
      }
      refusal = tenant.problem;
    }
    if (!furthest || distance(refusal) > distance(furthest)) furthest = refusal;
  }
  if (withoutScope) return withoutScope;
  if (furthest) return err(furthest);
  return refuseToken(
    "credential_unknown_issuer",
    `The token's iss is not registered (found: "${truncate(jwt.iss)}").`,
    {
      step: "issuer",
      found: jwt.iss,
    },
  );
}

export function otherTenant(credentialOf: string, step?: "tenant"): Problem {
  const more = { facts: { credentialOf }, ...(step && { step }) };
  return problem("tenant_mismatch", "The credential belongs to another tenant.", more);
}

/** By what the token says without being verified: none of this has to be true. */
function bestFirst(
  issuers: readonly Issuer[],
  { claims, alg }: UnverifiedJwt,
  tenantInPath: string,
): readonly Issuer[] {
  const score = (issuer: Issuer) =>
    [
      issuer.algorithms.includes(alg),
      !checkAudience(issuer, claims).refusal && !checkParty(issuer, claims).refusal,
      isForTenant(issuer, tenantInPath),
      !checkRequired(issuer, claims).refusal,
    ].reduce((sum, isTrue) => 2 * sum + Number(isTrue), 0);
  // Nearly always there is one.
  return issuers.length < 2 ? issuers : issuers.toSorted((a, b) => score(b) - score(a));
}

/**
 * How far a token came. The token of another tenant has passed all steps; keys that cannot be read say less than a step after
 * the signature, and more than the signature of other keys.
 */
function distance({ code, step = "issuer" }: Problem): number {
  if (code === "tenant_mismatch") return TOKEN_STEPS.length;
  return code === "jwks_unavailable" ? TOKEN_STEPS.indexOf("signature") + 0.5 : TOKEN_STEPS.indexOf(step);
}
