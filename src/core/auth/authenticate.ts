import { type ApiKeyRecord, parseApiKey } from "./rules/api-key.ts";
import { type Caller, refuseScope } from "./rules/caller.ts";
import { type Credentials, type PresentedToken, checkSize, missingCredential, readToken } from "./rules/credential.ts";
import { type Grant, OWN_UPLOAD_GRACE_SECONDS } from "./rules/grant.ts";
import { canHaveScope, isForTenant } from "./rules/issuer.ts";
import { provisionerOf } from "./rules/provisioning.ts";
import { type Scope, scopesOfGrant } from "./rules/scopes.ts";
import { checkIssuer } from "./rules/token-checks.ts";
import { findTenant } from "./find-tenant.ts";
import { otherTenant, verifyJwt } from "./verify-jwt.ts";
import { ANY_VERSION, type VerifiedToken } from "./walk-token.ts";
import { readPolicy } from "../policy/rules/parse-policy.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import { NO_SUCH_TENANT, type Tenant } from "../shared/tenant.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { Tokens } from "../ports/tokens.ts";
import type { Registry } from "../ports/registry.ts";
import type { TraceFields } from "../ports/trace.ts";

export interface AuthenticatePorts {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly hashes: SecretHashes;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/**
 * What a scope is required for: the tenant's uploads, or one upload. Grants read and cancel the uploads that were created under
 * them, also for a while after they have expired; which ones these are is for `visibilityOf` to say.
 */
export type AccessTo = "tenant" | "one upload";

/** An authenticated caller, and the tenant it has access to. */
export interface Access {
  readonly caller: Caller;
  readonly tenant: Tenant;
  /** See `Signed`. */
  readonly staleKeysSeconds?: number;
}

/** For the request log. */
export function callerFields({ caller, tenant, staleKeysSeconds }: Access): TraceFields {
  const { kind, credential } = caller;
  const stale = staleKeysSeconds !== undefined && { staleKeysSeconds };
  return { tenant: tenant.id, callerKind: kind, credential, ...stale };
}

/** The tenant version that a decision rests on: the older of two, as tenant and credential may be cached separately. */
export function versionOf({ caller, tenant }: Access): number {
  return Math.min(tenant.version, caller.version);
}

/** The tenant's ledger has a newer version of the tenant than the registry returns, even past the cache. */
export const TENANT_CHANGING = problem("tenant_changing", "The tenant is being changed. Try again in 1 second.", {
  retryAfterSeconds: 1,
});

/**
 * Authenticates a request in four steps: read the token, verify it, compare its tenant with the path, check tenant and
 * scope. The tenant is looked up last, so that callers without a credential for a tenant cannot tell whether it exists.
 */
export async function authenticate(
  ports: AuthenticatePorts,
  credentials: Credentials,
  scope: Scope,
  to: AccessTo = "tenant",
): Promise<Result<Access>> {
  const token = readToken(credentials);
  if (!token.ok) return token;

  const verified = token.value
    ? await verifyToken(ports, credentials.tenant, token.value, to)
    : await verifyHeaders(ports, credentials, scope);
  if (!verified.ok) return verified;
  const { caller } = verified.value;
  if (caller.tenant !== credentials.tenant) return err(otherTenant(caller.tenant));

  const tenant = await findTenant(ports.registry, caller);
  if (!tenant.ok) return tenant;
  return authorize(verified.value, tenant.value, scope);
}

async function verifyToken(
  ports: AuthenticatePorts,
  tenant: string,
  { text, sentIn }: PresentedToken,
  to: AccessTo,
): Promise<Result<VerifiedToken>> {
  const token = ports.tokens.peek(text);
  if (sentIn === "x-api-key") return token ? err(NO_API_KEY) : verifyApiKey(ports, text);
  if (token?.kind === "grant") return verifyGrant(ports, text, to);
  // Metadata ends up in proxy logs and bug reports: long-lived credentials must not be sent in it.
  if (sentIn === "metadata") return err(NO_GRANT);
  if (!token) return text.includes(".") ? err(NO_JWT) : verifyApiKey(ports, text);
  const issuers = await ports.registry.issuers(token.iss);
  return issuers.ok ? verifyJwt(ports, token, issuers.value, tenant) : issuers;
}

const NO_API_KEY = problem(
  "credential_invalid",
  "X-API-Key must hold an API key. Send a JWT or a grant as Authorization: Bearer <token>.",
);
const NO_GRANT = problem("credential_invalid", "The metadata key grant must hold a grant, not an API key or a JWT.");
const NO_JWT = problem("credential_invalid", "The token is not valid.", { step: "parse" });

/**
 * Verifies the token in a header that an issuer names: a proxy, such as Cloudflare Access, adds it to every request. It is tried
 * with issuers that name this header, and with no others. The proxy knows a browser by a cookie, so a page of another site could
 * make requests in its user's name.
 */
async function verifyHeaders(
  ports: AuthenticatePorts,
  { tenant, header }: Credentials,
  scope: Scope,
): Promise<Result<VerifiedToken>> {
  const found = await ports.registry.issuersWithHeader();
  if (!found.ok) return found;
  const named = found.value.find((issuer) => header(issuer.header ?? "") !== undefined)?.header;
  if (named === undefined || header("sec-fetch-site") === "cross-site") return err(missingCredential(scope));
  const token = checkSize(header(named) ?? "", "issuer's header");
  if (!token.ok) return token;
  const jwt = ports.tokens.peek(token.value.text);
  if (jwt?.kind !== "jwt") return err(NO_JWT);
  const issuers = found.value.filter(
    (issuer) => issuer.header === named && !checkIssuer(issuer, jwt.iss, jwt.claims).refusal,
  );
  return verifyJwt(ports, jwt, issuers, tenant);
}

async function verifyApiKey(ports: AuthenticatePorts, text: string): Promise<Result<VerifiedToken>> {
  const invalid = err(problem("credential_invalid", "The credential is not valid."));
  const apiKey = parseApiKey(text);
  if (!apiKey) return invalid;

  const stored = await ports.registry.apiKey(apiKey.id);
  if (!stored.ok) return stored;
  const record = stored.value;
  if (!record || !(await ports.hashes.matches(apiKey.text, record.hash))) return invalid;
  if (record.revoked) return err(problem("credential_revoked", "The API key has been revoked."));
  if (hasExpired(ports, record)) return err(problem("credential_expired", "The API key has expired."));
  const { tenant, id, scopes, version, expiresAt } = record;
  const expiry = expiresAt !== undefined && { expiresAt };
  return ok({ caller: { tenant, kind: "api-key", credential: id, scopes, version, ...expiry } });
}

function hasExpired({ now }: AuthenticatePorts, { expiresAt }: ApiKeyRecord): boolean {
  return expiresAt !== undefined && expiresAt <= now() * 1000;
}

async function verifyGrant(ports: AuthenticatePorts, token: string, to: AccessTo): Promise<Result<VerifiedToken>> {
  const ownOnly = to === "one upload";
  const verified = await ports.tokens.verifyGrant(token, ownOnly ? OWN_UPLOAD_GRACE_SECONDS : 0);
  if (!verified.ok) return verified;
  const grant = verified.value;

  const minter = await checkMinter(ports, grant, ownOnly);
  if (!minter.ok) return minter;
  const policy = grant.policy === undefined ? undefined : readPolicy(grant.policy, "grant");
  if (policy && !policy.ok) return err(problem("credential_invalid", "The grant's policy is not valid."));
  const caller: Caller = {
    tenant: grant.tenant,
    kind: "grant",
    credential: grant.id,
    scopes: scopesOfGrant(ownOnly, grant.playback),
    ...minter.value,
    ...(grant.person && { person: grant.person }),
    ...(policy && { policy: policy.value }),
    grant: { uploads: grant.uploads, ...(grant.reference !== undefined && { reference: grant.reference }) },
  };
  return ok({ caller });
}

/**
 * Checks that the credential that minted a grant could still mint it.
 *
 * @param ownOnly the grant is used for its own uploads: these it may read and cancel after its key has expired, but not after
 *   the key was revoked
 * @returns what of that credential holds for the grant, too
 */
async function checkMinter(
  ports: AuthenticatePorts,
  { mintedBy, tenant, playback }: Grant,
  ownOnly: boolean,
): Promise<Result<Pick<Caller, "version" | "provisioner">>> {
  if ("key" in mintedBy) {
    const key = await ports.registry.apiKey(mintedBy.key, "trusted");
    if (!key.ok) return key;
    if (!key.value || key.value.revoked)
      return err(problem("credential_revoked", "The API key that minted this grant has been revoked."));
    if (!ownOnly && hasExpired(ports, key.value))
      return err(problem("credential_expired", "The API key that minted this grant has expired."));
    return ok({ version: key.value.version });
  }
  const issuers = await ports.registry.issuers(mintedBy.iss, "trusted");
  if (!issuers.ok) return issuers;
  const issuer = issuers.value.find(({ id }) => id === mintedBy.issuer);
  const mints = issuer && canHaveScope(issuer, "grants:create") && (!playback || canHaveScope(issuer, "playback:sign"));
  if (!mints || !isForTenant(issuer, tenant))
    return err(problem("credential_revoked", "The issuer whose token minted this grant may no longer mint it."));
  return ok({ version: issuer.version ?? ANY_VERSION, ...provisionerOf(issuer, mintedBy.iss, tenant) });
}

function authorize(verified: VerifiedToken, tenant: Tenant | undefined, scope: Scope): Result<Access> {
  if (!tenant) return err(NO_SUCH_TENANT);
  if (tenant.suspended) return err(problem("tenant_suspended", "This tenant is suspended."));
  const refusal = refuseScope(verified.caller, scope);
  return refusal ? err(refusal) : ok({ ...verified, tenant });
}
