import { type ApiKeyRecord, parseApiKey } from "./rules/api-key.ts";
import type { Caller, Scope } from "./rules/caller.ts";
import type { Grant } from "./rules/grant.ts";
import { parsePolicy } from "../policy/rules/policy.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { TokenPreview, Tokens } from "../ports/tokens.ts";
import type { Registry } from "../ports/registry.ts";
import type { Issuer } from "./rules/issuer.ts";

export interface AuthenticatePorts {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly hashes: SecretHashes;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** What a request says of itself. */
export interface Credentials {
  /** The tenant in the path. */
  readonly tenant: string;
  /** The `Authorization` header. */
  readonly authorization?: string;
  /** The metadata key `grant` of a creation. */
  readonly grant?: string;
}

/** Who asks, and for which tenant. */
export interface Access {
  readonly caller: Caller;
  readonly tenant: Tenant;
}

/** The version of the tenant that a decision rests on: the credential may have been looked up at another time than it. */
export function versionOf({ caller, tenant }: Access): number {
  return Math.min(tenant.version, caller.version);
}

/** Where even what is there now is older than what the ledger has been told. */
export const TENANT_CHANGING = problem("tenant_changing", "The tenant is being changed.", { retryAfterSeconds: 1 });

/** What identity providers issue stays under 8 KiB; so do grants. */
const MAX_TOKEN_CHARACTERS = 8_192;

/**
 * Finds out who asks: verifies the credential, holds its tenant against the path's, and asks for the scope. A tenant that
 * does not exist is told from one that does by nobody who has no credential of it.
 */
export async function authenticate(
  ports: AuthenticatePorts,
  credentials: Credentials,
  scope: Scope,
): Promise<Result<Access>> {
  const token = readToken(credentials);
  if (!token.ok) return token;

  const caller = await identify(ports, credentials, token.value);
  if (!caller.ok) return caller;
  if (caller.value.tenant !== credentials.tenant)
    return err(
      problem("tenant_mismatch", "The credential is not one of this tenant.", {
        facts: { credentialOf: caller.value.tenant },
      }),
    );
  // Not before: whoever has no credential of a tenant does not have it looked for.
  const tenant = await ports.registry.tenant(credentials.tenant, "trusted");
  if (!tenant.ok) return tenant;
  if (!tenant.value) return err(problem("not_found", "There is no such tenant."));
  if (tenant.value.suspended) return err(problem("tenant_suspended", "This tenant is suspended."));
  if (!caller.value.scopes.has(scope))
    return err(problem("scope_missing", `The credential lacks the scope ${scope}.`, { key: scope }));
  return ok({ caller: caller.value, tenant: tenant.value });
}

interface PresentedToken {
  readonly text: string;
  readonly carriedBy: "authorization" | "metadata";
}

function readToken({ authorization, grant }: Credentials): Result<PresentedToken> {
  if (authorization !== undefined && grant !== undefined)
    return err(problem("credential_invalid", "Send either Authorization or a grant in the metadata, not both."));
  if (grant !== undefined) return bounded({ text: grant, carriedBy: "metadata" });
  if (authorization === undefined)
    return err(problem("credential_missing", "Send Authorization: Bearer <key, token or grant>."));
  const text = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
  if (text === undefined) return err(problem("credential_invalid", "Authorization must be: Bearer <credential>."));
  return bounded({ text, carriedBy: "authorization" });
}

function bounded(token: PresentedToken): Result<PresentedToken> {
  return token.text.length <= MAX_TOKEN_CHARACTERS
    ? ok(token)
    : err(problem("credential_too_large", `A credential has at most ${MAX_TOKEN_CHARACTERS} characters.`));
}

function identify(ports: AuthenticatePorts, { tenant }: Credentials, token: PresentedToken): Promise<Result<Caller>> {
  const preview = ports.tokens.peek(token.text);
  if (preview?.kind === "grant") return identifyGrant(ports, token.text);
  // Metadata ends up in logs of proxies and in people's bug reports: what lives long must not travel there.
  if (token.carriedBy === "metadata")
    return Promise.resolve(err(problem("credential_invalid", "The metadata key grant must hold a grant.")));
  return preview ? identifyJwt(ports, preview, tenant, token.text) : identifyApiKey(ports, token.text);
}

async function identifyApiKey(ports: AuthenticatePorts, text: string): Promise<Result<Caller>> {
  const unknown = err(problem("credential_invalid", "The credential is not valid."));
  const presented = parseApiKey(text);
  if (!presented) return unknown;

  const found = await ports.registry.apiKey(presented.id);
  if (!found.ok) return found;
  const key = found.value;
  if (!key || !(await ports.hashes.matches(presented.text, key.hash))) return unknown;
  if (key.revoked) return err(problem("credential_revoked", "The API key has been revoked."));
  if (hasExpired(ports, key)) return err(problem("credential_expired", "The API key has expired."));
  const { tenant, id, scopes, version } = key;
  return ok({ tenant, kind: "api-key", credential: id, scopes, version });
}

function hasExpired({ now }: AuthenticatePorts, { expiresAt }: ApiKeyRecord): boolean {
  return expiresAt !== undefined && expiresAt <= now() * 1000;
}

async function identifyJwt(
  ports: AuthenticatePorts,
  preview: Extract<TokenPreview, { kind: "jwt" }>,
  tenant: string,
  token: string,
): Promise<Result<Caller>> {
  const issuers = await ports.registry.issuers(preview.iss);
  if (!issuers.ok) return issuers;
  const issuer = chooseIssuer(issuers.value, preview.audiences, tenant);
  if (!issuer) return err(problem("credential_unknown_issuer", "The token's issuer is not known here."));
  const verified = await ports.tokens.verifyJwt(token, issuer);
  if (!verified.ok) return verified;

  const claims = verified.value;
  const subject = claims[issuer.subjectClaim];
  const speaksFor = issuer.tenant.kind === "fixed" ? issuer.tenant.id : claims[issuer.tenant.claim];
  if (typeof subject !== "string" || subject === "")
    return err(problem("credential_invalid", `The token has no claim "${issuer.subjectClaim}".`));
  if (typeof speaksFor !== "string") return err(problem("credential_invalid", "The token names no tenant."));
  const { id, iss, scopes, version = ANY_VERSION } = issuer;
  return ok({ tenant: speaksFor, kind: "jwt", credential: id, iss, subject, scopes, version });
}

/** One identity provider may be configured for several tenants or audiences: the one that fits best is asked. */
function chooseIssuer(issuers: readonly Issuer[], audiences: readonly string[], tenant: string): Issuer | undefined {
  const fitness = (issuer: Issuer) =>
    (audiences.includes(issuer.audience) ? 2 : 0) + (maySpeakFor(issuer, tenant) ? 1 : 0);
  return issuers.toSorted((a, b) => fitness(b) - fitness(a))[0];
}

function maySpeakFor(issuer: Issuer, tenant: string): boolean {
  return issuer.tenant.kind === "claim" || issuer.tenant.id === tenant;
}

/** Of a credential that no tenant's change revokes. */
const ANY_VERSION = Number.POSITIVE_INFINITY;

const GRANT_SCOPES: ReadonlySet<Scope> = new Set(["uploads:create"] as const);

async function identifyGrant(ports: AuthenticatePorts, token: string): Promise<Result<Caller>> {
  const verified = await ports.tokens.verifyGrant(token);
  if (!verified.ok) return verified;
  const grant = verified.value;

  const version = await mintedUnder(ports, grant);
  if (!version.ok) return version;
  const policy = grant.policy === undefined ? undefined : parsePolicy(grant.policy, "grant");
  if (policy && !policy.ok) return err(problem("credential_invalid", "The grant's policy cannot be read."));
  return ok({
    tenant: grant.tenant,
    kind: "grant",
    credential: grant.id,
    scopes: GRANT_SCOPES,
    version: version.value,
    ...(grant.subject !== undefined && { subject: grant.subject }),
    ...(policy && { policy: [policy.value] }),
  });
}

/** The version of what minted a grant: where that could no longer mint it, neither is the grant any good. */
async function mintedUnder(ports: AuthenticatePorts, { mintedBy, tenant }: Grant): Promise<Result<number>> {
  if ("key" in mintedBy) {
    const key = await ports.registry.apiKey(mintedBy.key, "trusted");
    if (!key.ok) return key;
    if (!key.value || key.value.revoked)
      return err(problem("credential_revoked", "The API key that made this grant has been revoked."));
    if (hasExpired(ports, key.value))
      return err(problem("credential_expired", "The API key that made this grant has expired."));
    return ok(key.value.version);
  }
  const issuers = await ports.registry.issuers(mintedBy.iss, "trusted");
  if (!issuers.ok) return issuers;
  const issuer = issuers.value.find(({ id }) => id === mintedBy.issuer);
  if (!issuer?.scopes.has("grants:create") || !maySpeakFor(issuer, tenant))
    return err(problem("credential_revoked", "The issuer whose token made this grant may no longer make any."));
  return ok(issuer.version ?? ANY_VERSION);
}
