import type { ProblemCode } from "../../shared/problem.ts";
import { TENANT_ID } from "../../shared/tenant.ts";
import { type Claims, claimOf, firstClaim, hasValue, listOf, nameOf } from "./claims.ts";
import { type Issuer, issuerPartOf, onlyMap } from "./issuer.ts";
import { isSubject } from "./subject.ts";
import { isPlainTenantId } from "./tenant-slug.ts";
import type { CheckedStep } from "./refuse-token.ts";

/** One step of a token: see `TOKEN_STEPS`. */
export interface Check extends CheckedStep {
  /** Absent: passed. */
  readonly refusal?: Refusal | undefined;
}

type Refusal = readonly [code: ProblemCode, detail: string];

/** For the clocks of identity providers. */
const CLOCK_TOLERANCE_SECONDS = 30;

/** Claims that name the client that a token was issued to: OpenID Connect's, Cognito's and Okta's. */
const PARTY_CLAIMS = ["azp", "client_id", "cid"];

/** @param iss the token's */
export function checkIssuer(issuer: Issuer, iss: string, claims: Claims): Check {
  const part = issuerPartOf(issuer, iss);
  const named = part === undefined ? undefined : claimOf(claims, issuer.issuerPart ?? "");
  return {
    step: "issuer",
    expected: part === undefined ? issuer.iss : { iss: issuer.iss, [issuer.issuerPart ?? ""]: part },
    found: part === undefined ? iss : { iss, [issuer.issuerPart ?? ""]: named },
    refusal: (part === undefined ? iss === issuer.iss && issuer.issuerPart === undefined : named === part)
      ? undefined
      : ["credential_unknown_issuer", "The token is of another issuer."],
  };
}

/** @param now seconds since the epoch */
export function checkTimes({ exp, nbf, iat }: Claims, now: number): Check {
  const refusal = (): Refusal | undefined => {
    if (![exp, nbf ?? 0, iat ?? 0].every(Number.isFinite))
      return ["credential_rejected", "The token must have exp, and its times must be numbers."];
    if (Number(exp) <= now - CLOCK_TOLERANCE_SECONDS) return ["credential_expired", "The token has expired."];
    return Number(nbf ?? 0) > now + CLOCK_TOLERANCE_SECONDS
      ? ["credential_not_yet_valid", "The token is not valid yet."]
      : undefined;
  };
  return { step: "times", expected: { now }, found: { exp, nbf }, refusal: refusal() };
}

export function checkAudience({ audiences, authorizedParties, anyAudience }: Issuer, claims: Claims): Check {
  const { aud } = claims;
  const fits =
    audiences.length > 0
      ? listOf(aud).some((one) => audiences.includes(one as string))
      : authorizedParties.length > 0 || (anyAudience && aud === undefined);
  const refusal: Refusal = [
    "credential_wrong_audience",
    "The aud of the token is none of the audiences of its issuer.",
  ];
  return { step: "audience", expected: audiences, found: aud, refusal: fits ? undefined : refusal };
}

export function checkParty({ authorizedParties, anyAudience }: Issuer, claims: Claims): Check {
  const found = membersOf(claims, PARTY_CLAIMS);
  const parties = Object.values(found).filter((party) => party !== undefined);
  const fits =
    authorizedParties.length > 0
      ? parties.some((party) => authorizedParties.includes(party as string))
      : !anyAudience || parties.length === 0;
  const refusal: Refusal = [
    "credential_wrong_party",
    "The token was issued to another client, or names none (azp, client_id or cid).",
  ];
  return { step: "party", expected: authorizedParties, found, refusal: fits ? undefined : refusal };
}

export function checkRequired({ require }: Issuer, claims: Claims): Check {
  const missing = require.filter(([claim, values]) => !hasValue(claims, claim, values));
  return {
    step: "required claims",
    expected: Object.fromEntries(require),
    found: membersOf(
      claims,
      require.map(([claim]) => claim),
    ),
    refusal:
      missing.length === 0 ? undefined : ["credential_rejected", "The token lacks a claim that its issuer requires."],
  };
}

function membersOf(claims: Claims, paths: readonly string[]): Claims {
  return Object.fromEntries(paths.map((path) => [path, claimOf(claims, path)]));
}

/** The tenant of a token, before it is known whether it exists. */
export interface TenantOfToken {
  /** "" if the token names none. */
  readonly id: string;
  /** Whether the issuer's document names it, in `fixed` or `map`; otherwise the token alone does. */
  readonly isConfigured: boolean;
  /** The value that becomes a slug, with its SHA-256. */
  readonly toSlug?: string;
}

/** @returns `toSlug` in the place of `id` if the value must become a slug first: see `slugOf` */
export function readTenant(issuer: Issuer, claims: Claims): TenantOfToken {
  const { tenant } = issuer;
  if (tenant.kind === "fixed") return { id: tenant.id, isConfigured: true };
  const value = nameOf(claimOf(claims, tenant.claim));
  if (value === undefined) return { id: "", isConfigured: false };
  if (tenant.map && Object.hasOwn(tenant.map, value)) return { id: tenant.map[value] ?? "", isConfigured: true };
  if (onlyMap(issuer)) return { id: "", isConfigured: false };
  if (tenant.transform === "slug" && !isPlainTenantId(value)) return { id: "", toSlug: value, isConfigured: false };
  // Whoever chooses a value must not choose the tenant that the map gives another one.
  const isFree = TENANT_ID.test(value) && !Object.values(tenant.map ?? {}).includes(value);
  return { id: isFree ? value : "", isConfigured: false };
}

export function checkTenant({ tenant }: Issuer, claims: Claims, id: string): Check {
  if (tenant.kind === "fixed") return { step: "tenant", expected: id, found: id };
  const { claim, map, transform } = tenant;
  return {
    step: "tenant",
    expected: { claim, map, transform },
    found: { [claim]: claimOf(claims, claim), tenant: id },
    refusal:
      id === ""
        ? ["credential_rejected", "The token names no tenant, or one that its issuer does not have."]
        : undefined,
  };
}

export function checkSubject({ subject }: Issuer, claims: Claims): Check & { readonly name: string } {
  const found = firstClaim(claims, subject.claims);
  const name = nameOf(found) ?? "";
  return {
    step: "subject",
    expected: subject.claims,
    found,
    name,
    refusal: isSubject(name) ? undefined : ["credential_rejected", "The token has no subject."],
  };
}
