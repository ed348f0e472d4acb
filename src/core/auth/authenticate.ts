import { type ApiKeyRecord, parseApiKey } from "./rules/api-key.ts";
import type { Caller } from "./rules/caller.ts";
import { type Grant, OWN_UPLOAD_GRACE_SECONDS } from "./rules/grant.ts";
import type { Issuer } from "./rules/issuer.ts";
import { isSubject } from "./rules/subject.ts";
import { GRANT_SCOPES, OWN_UPLOAD_SCOPES, type Scope } from "./rules/scopes.ts";
import { readPolicy } from "../policy/rules/parse-policy.ts";
import { problem } from "../shared/problem.ts";
import { type Result, ok, err } from "../shared/result.ts";
import type { Tenant } from "../shared/tenant.ts";
import { truncate } from "../shared/text.ts";
import type { SecretHashes } from "../ports/hashes.ts";
import type { TokenPreview, Tokens } from "../ports/tokens.ts";
import type { Registry } from "../ports/registry.ts";

export interface AuthenticatePorts {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly hashes: SecretHashes;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** The credentials of a request, none of them verified. */
export interface Credentials {
  /** The tenant in the path. */
  readonly tenant: string;
  /** The `Authorization` header. */
  readonly authorization?: string;
  /** The metadata key `grant` of a creation. */
  readonly grant?: string;
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
}

/** The tenant version that a decision rests on: the older of two, as tenant and credential may be cached separately. */
export function versionOf({ caller, tenant }: Access): number {
  return Math.min(tenant.version, caller.version);
}

/** The tenant's ledger has a newer version of the tenant than the registry returns, even past the cache. */
export const TENANT_CHANGING = problem("tenant_changing", "The tenant is being changed. Try again in 1 second.", {
  retryAfterSeconds: 1,
});

/** Tokens of identity providers stay below 8 KiB, and so do grants. */
const MAX_TOKEN_CHARACTERS = 8_192;

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
  const token = readToken(credentials, scope);
  if (!token.ok) return token;

  const caller = await verifyToken(ports, credentials.tenant, token.value, to);
  if (!caller.ok) return caller;
  if (caller.value.tenant !== credentials.tenant)
    return err(
      problem("tenant_mismatch", "The credential belongs to another tenant.", {
        facts: { credentialOf: caller.value.tenant },
      }),
    );

  const tenant = await ports.registry.tenant(credentials.tenant, "trusted");
  if (!tenant.ok) return tenant;
  return authorize(caller.value, tenant.value, scope);
}

interface PresentedToken {
  readonly text: string;
  readonly sentIn: "authorization" | "metadata";
}

function readToken({ authorization, grant }: Credentials, scope: Scope): Result<PresentedToken> {
  if (authorization !== undefined && grant !== undefined)
    return err(problem("credential_invalid", "Send Authorization or a grant in the metadata, not both."));
  if (grant !== undefined) return checkSize({ text: grant, sentIn: "metadata" });
  if (authorization === undefined)
    return err(problem("credential_missing", scope === "uploads:create" ? CREATION_CREDENTIAL : CREDENTIAL));
  const text = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
  if (text === undefined)
    return err(problem("credential_invalid", "Authorization must have the form: Bearer <API key, JWT or grant>."));
  return checkSize({ text, sentIn: "authorization" });
}

const CREDENTIAL = "Send Authorization: Bearer <API key, JWT or grant>.";

/** Clients send their headers to the upload host, too, but the metadata to the gateway only: the best place for a grant. */
const CREATION_CREDENTIAL =
  "Send a grant as the metadata key grant (in a JSON body: meta.grant), or Authorization: Bearer <API key, JWT or grant>.";

function checkSize(token: PresentedToken): Result<PresentedToken> {
  const { length } = token.text;
  if (length <= MAX_TOKEN_CHARACTERS) return ok(token);
  return err(
    problem(
      "credential_too_large",
      `The credential must have at most ${MAX_TOKEN_CHARACTERS} characters (found: ${length}).`,
    ),
  );
}

function verifyToken(
  ports: AuthenticatePorts,
  tenant: string,
  token: PresentedToken,
  to: AccessTo,
): Promise<Result<Caller>> {
  const preview = ports.tokens.peek(token.text);
  if (preview?.kind === "grant") return verifyGrant(ports, token.text, to);
  // Metadata ends up in proxy logs and bug reports: long-lived credentials must not be sent in it.
  if (token.sentIn === "metadata")
    return Promise.resolve(
      err(problem("credential_invalid", "The metadata key grant must hold a grant, not an API key or a JWT.")),
    );
  return preview ? verifyJwt(ports, preview, tenant, token.text) : verifyApiKey(ports, token.text);
}

async function verifyApiKey(ports: AuthenticatePorts, text: string): Promise<Result<Caller>> {
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
  return ok({
    tenant,
    kind: "api-key",
    credential: id,
    scopes,
    version,
    ...(expiresAt !== undefined && { expiresAt }),
  });
}

function hasExpired({ now }: AuthenticatePorts, { expiresAt }: ApiKeyRecord): boolean {
  return expiresAt !== undefined && expiresAt <= now() * 1000;
}

/** The version of a credential that does not belong to one tenant: no change of a tenant revokes it. */
const ANY_VERSION = Number.POSITIVE_INFINITY;

async function verifyJwt(
  ports: AuthenticatePorts,
  preview: Extract<TokenPreview, { kind: "jwt" }>,
  tenantInPath: string,
  token: string,
): Promise<Result<Caller>> {
  const issuers = await ports.registry.issuers(preview.iss);
  if (!issuers.ok) return issuers;
  const issuer = chooseIssuer(issuers.value, preview.audiences, tenantInPath);
  if (!issuer)
    return err(
      problem("credential_unknown_issuer", `The token's iss is not registered (found: "${truncate(preview.iss)}").`),
    );
  const verified = await ports.tokens.verifyJwt(token, issuer);
  if (!verified.ok) return verified;

  const claims = verified.value;
  const [subjectClaim = ""] = issuer.subject.claims;
  const subject = claims[subjectClaim];
  if (typeof subject !== "string" || !isSubject(subject))
    return err(problem("credential_invalid", `The token must have a subject in the claim "${subjectClaim}".`));
  const tenant = issuer.tenant.kind === "fixed" ? issuer.tenant.id : claims[issuer.tenant.claim];
  if (typeof tenant !== "string") return err(problem("credential_invalid", "The token names no tenant."));
  const { id, iss, maxGrantSeconds, version = ANY_VERSION } = issuer;
  const scopes = issuer.scopes.kind === "fixed" ? issuer.scopes.scopes : new Set<Scope>();
  const person = { namespace: issuer.subject.namespace, subject };
  return ok({ tenant, kind: "jwt", credential: id, iss, person, scopes, maxGrantSeconds, version });
}

/** Several issuers may have the same `iss`, for other tenants or audiences: chooses the best match. */
function chooseIssuer(
  issuers: readonly Issuer[],
  audiences: readonly string[],
  tenantInPath: string,
): Issuer | undefined {
  const score = (issuer: Issuer) =>
    (audiences.some((audience) => issuer.audiences.includes(audience)) ? 2 : 0) +
    (isForTenant(issuer, tenantInPath) ? 1 : 0);
  const verifiable = issuers.filter(
    ({ authorizedParties, require }) => authorizedParties.length + require.length === 0,
  );
  return verifiable.toSorted((a, b) => score(b) - score(a))[0];
}

function isForTenant(issuer: Issuer, tenant: string): boolean {
  return issuer.tenant.kind === "claim" || issuer.tenant.id === tenant;
}

async function verifyGrant(ports: AuthenticatePorts, token: string, to: AccessTo): Promise<Result<Caller>> {
  const ownOnly = to === "one upload";
  const verified = await ports.tokens.verifyGrant(token, ownOnly ? OWN_UPLOAD_GRACE_SECONDS : 0);
  if (!verified.ok) return verified;
  const grant = verified.value;

  const version = await checkMinter(ports, grant, ownOnly);
  if (!version.ok) return version;
  const policy = grant.policy === undefined ? undefined : readPolicy(grant.policy, "grant");
  if (policy && !policy.ok) return err(problem("credential_invalid", "The grant's policy is not valid."));
  return ok({
    tenant: grant.tenant,
    kind: "grant",
    credential: grant.id,
    scopes: ownOnly ? OWN_UPLOAD_SCOPES : GRANT_SCOPES,
    version: version.value,
    ...(grant.person && { person: grant.person }),
    ...(policy && { policy: policy.value }),
    grant: { uploads: grant.uploads, ...(grant.reference !== undefined && { reference: grant.reference }) },
  });
}

/**
 * Checks that the credential that minted a grant could still mint it.
 *
 * @param ownOnly the grant is used for its own uploads: these it may read and cancel after its key has expired, but not after
 *   the key was revoked
 * @returns the version of that credential
 */
async function checkMinter(
  ports: AuthenticatePorts,
  { mintedBy, tenant }: Grant,
  ownOnly: boolean,
): Promise<Result<number>> {
  if ("key" in mintedBy) {
    const key = await ports.registry.apiKey(mintedBy.key, "trusted");
    if (!key.ok) return key;
    if (!key.value || key.value.revoked)
      return err(problem("credential_revoked", "The API key that minted this grant has been revoked."));
    if (!ownOnly && hasExpired(ports, key.value))
      return err(problem("credential_expired", "The API key that minted this grant has expired."));
    return ok(key.value.version);
  }
  const issuers = await ports.registry.issuers(mintedBy.iss, "trusted");
  if (!issuers.ok) return issuers;
  const issuer = issuers.value.find(({ id }) => id === mintedBy.issuer);
  if (issuer?.scopes.kind !== "fixed" || !issuer.scopes.scopes.has("grants:create") || !isForTenant(issuer, tenant))
    return err(problem("credential_revoked", "The issuer whose token minted this grant may no longer mint grants."));
  return ok(issuer.version ?? ANY_VERSION);
}

function authorize(caller: Caller, tenant: Tenant | undefined, scope: Scope): Result<Access> {
  if (!tenant) return err(problem("not_found", "There is no such tenant."));
  if (tenant.suspended) return err(problem("tenant_suspended", "This tenant is suspended."));
  if (!caller.scopes.has(scope)) {
    const scopes = [...caller.scopes].join(", ") || "none";
    return err(problem("scope_missing", `The credential lacks the scope ${scope} (found: ${scopes}).`, { key: scope }));
  }
  return ok({ caller, tenant });
}
