import type { Caller } from "./rules/caller.ts";
import { checkSize } from "./rules/credential.ts";
import { claimOf, scopesFrom } from "./rules/claims.ts";
import { type Issuer, issuerPartOf } from "./rules/issuer.ts";
import { provisionerOf } from "./rules/provisioning.ts";
import { slugOf } from "./rules/tenant-slug.ts";
import {
  type Check,
  checkAudience,
  checkIssuer,
  checkParty,
  checkRequired,
  checkSubject,
  checkTenant,
  checkTimes,
  readTenant,
} from "./rules/token-checks.ts";
import { refuseToken, show } from "./rules/refuse-token.ts";
import type { TokenStep } from "./rules/token-step.ts";
import { type Result, ok } from "../shared/result.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { Signed, SignatureChecks, Tokens, UnverifiedJwt } from "../ports/tokens.ts";

export interface WalkTokenPorts {
  readonly tokens: Tokens;
  readonly hashes: SecretHashes;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** Who sends a credential that was verified. */
export interface VerifiedToken extends Signed {
  readonly caller: Caller;
}

/** A token's way through the steps with one issuer. */
export interface TokenWalk {
  /** The steps up to the first that fails; all of them if none does. */
  readonly checks: readonly Check[];
  readonly outcome: Result<VerifiedToken>;
}

/** Signature checks of one request, with the keys of all issuers together: RSA takes about 0.1 ms each. */
export const MAX_SIGNATURE_CHECKS = 16;

/** The version of a credential that does not belong to one tenant: no change of a tenant revokes it. */
export const ANY_VERSION = Number.POSITIVE_INFINITY;

/**
 * Walks a JWT through the steps in order, with one of the issuers that it may be of. The first step that fails is the outcome.
 *
 * @param left signature checks that are left of those of all issuers
 */
export async function walkToken(
  { tokens, hashes, now }: WalkTokenPorts,
  jwt: UnverifiedJwt,
  issuer: Issuer,
  left: SignatureChecks,
): Promise<TokenWalk> {
  const { alg, kid, iss, claims } = jwt;
  const checks: Check[] = [{ step: "parse", found: { alg, kid } }, checkIssuer(issuer, iss, claims)];
  const other = firstFailure(checks);
  if (other) return other;

  const key: Check = { step: "key", expected: issuer.algorithms, found: { alg, kid } };
  const signed = await tokens.verifySignature(jwt, issuer, left);
  if (!signed.ok) {
    const { code, detail, step = "key", facts } = signed.problem;
    const failed: Check = { step, expected: facts?.["expected"], found: facts?.["found"], refusal: [code, detail] };
    return { checks: [...checks, ...(step === "key" ? [] : [key]), failed], outcome: signed };
  }

  const named = readTenant(issuer, claims);
  const tenant = named.toSlug === undefined ? named.id : slugOf(named.toSlug, await hashes.digest(named.toSlug));
  const subject = checkSubject(issuer, claims);
  checks.push(
    key,
    { step: "signature" },
    checkTimes(claims, now()),
    checkAudience(issuer, claims),
    checkParty(issuer, claims),
    checkRequired(issuer, claims),
    checkTenant(issuer, claims, tenant),
    subject,
  );
  const failure = firstFailure(checks);
  if (failure) return failure;

  const { scopes: source, id, maxGrantSeconds, version = ANY_VERSION } = issuer;
  const claimed = source.kind === "fixed" ? [...source.scopes] : claimOf(claims, source.claim);
  const scopes = source.kind === "fixed" ? source.scopes : scopesFrom(claimed, source.map);
  // Which scope is missing, only the route says.
  const none = ["scope_missing", "The token has no scope."] as const;
  const expected = source.kind === "fixed" ? undefined : [source.claim, Object.keys(source.map ?? {})];
  checks.push({ step: "scopes", expected, found: claimed, refusal: scopes.size === 0 ? none : undefined });
  const part = issuerPartOf(issuer, iss);
  const namespace = issuer.subject.namespace + (part === undefined ? "" : `/${part}`);
  const person = { namespace, subject: subject.name };
  const name = issuer.name === undefined ? undefined : claimOf(claims, issuer.name);
  const caller: Caller = {
    tenant,
    kind: "jwt",
    credential: id,
    iss,
    person,
    scopes,
    ...provisionerOf(issuer, iss, tenant, named.isConfigured, name),
    maxGrantSeconds,
    version,
  };
  return { checks, outcome: ok({ caller, ...signed.value }) };
}

function firstFailure(checks: readonly Check[]): TokenWalk | undefined {
  const at = checks.findIndex(({ refusal }) => refusal);
  const failed = checks[at];
  if (!failed?.refusal) return undefined;
  return { checks: checks.slice(0, at + 1), outcome: refuseToken(...failed.refusal, failed) };
}

/** A step as the operator sees it. */
export interface StepReport {
  readonly step: TokenStep;
  readonly ok: boolean;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
}

/** What became of a token with this issuer, for whoever configures it: step by step, up to the first that fails. */
export async function reportToken(
  ports: WalkTokenPorts,
  text: string,
  issuer: Issuer,
): Promise<{ readonly steps: readonly StepReport[]; readonly outcome?: TokenWalk["outcome"] }> {
  const size = checkSize(text, "authorization");
  if (!size.ok) return { steps: [{ step: "parse", ok: false, found: size.problem.detail }], outcome: size };
  const jwt = ports.tokens.peek(text);
  if (jwt?.kind !== "jwt") {
    const found = jwt ? "a grant" : `text of ${text.split(".").length} parts`;
    const check = { step: "parse", expected: "a JWT: header, claims and signature", found } as const;
    const steps = [{ ...check, ok: false }];
    return jwt ? { steps } : { steps, outcome: refuseToken("credential_invalid", "The token is not valid.", check) };
  }
  const { checks, outcome } = await walkToken(ports, jwt, issuer, { left: MAX_SIGNATURE_CHECKS });
  const steps = checks.map(({ step, expected, found, refusal }) => ({
    step,
    ok: !refusal,
    expected: show(expected),
    found: show(found),
  }));
  return { steps, outcome };
}
