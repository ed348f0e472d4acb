import * as v from "valibot";
import { DEFAULT_GRANT_SECONDS } from "../../core/auth/rules/grant.ts";
import type { Issuer } from "../../core/auth/rules/issuer.ts";
import {
  type IssuerDocument,
  type IssuerSettings,
  algorithmsOf,
  issuerSchema,
} from "../../core/auth/rules/issuer-document.ts";
import { TENANT_NAMESPACE } from "../../core/auth/rules/person.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import { type TenantVersion, scopesOf } from "./rows.ts";

/**
 * An issuer is stored as its document. The other columns are written for the version before, and are read of the rows that it
 * wrote, which have no document. It writes rows anew or takes away their scopes, so only the scopes of a document can be out of date.
 */
export interface IssuerRow {
  readonly id: string;
  readonly iss: string;
  readonly audience: string;
  readonly algorithms: string;
  readonly jwks_url: string | null;
  readonly jwks: string | null;
  /** One secret, or two as a JSON list. */
  readonly sealed_secret: string | null;
  readonly tenant: string | null;
  readonly tenant_claim: string | null;
  readonly subject_claim: string;
  /** `[]`: the issuer is revoked, whatever its document says. */
  readonly scopes: string;
  readonly max_grant_seconds: number | null;
  readonly document: string | null;
}

/** What the version before verifies tokens with. */
const ALGORITHMS_BEFORE = /^(?:[RPEH]S256|EdDSA)$/;

/**
 * Where the old columns cannot say what the document says. No algorithm: the version before refuses every token. Some scope, as none
 * means revoked, but not `grants:create`: it does not tell apart the persons of grants.
 */
const REFUSED_BEFORE = { algorithms: "[]", scopes: '["uploads:read"]' };

/** The URL of keys is judged before each request, so any is read. */
const storedSchema = issuerSchema(true);

const secretContext = (id: string) => `issuer:${id}`;

/** Throws if the row, or its secret, cannot be read. */
export async function readIssuer(row: IssuerRow & TenantVersion, encryption: FieldEncryption): Promise<Issuer> {
  const { id, ...document } = issuerDocument(row);
  const secrets = document.keys.secrets && (await encryption.open(row.sealed_secret ?? "", secretContext(id)));
  if (document.keys.secrets && secrets === undefined)
    throw new Error(`The secret of the issuer ${id} cannot be decrypted with MASTER_KEYS.`);
  const {
    issuer: iss,
    audiences = [],
    authorizedParties = [],
    anyAudience = false,
    keys,
    algorithms = algorithmsOf(keys),
    tenant: { fixed, claim = "", ...mapping },
    subject,
    scopes,
    require = {},
    name,
    ...others
  } = v.parse(storedSchema, {
    ...document,
    ...(secrets && { keys: { secrets: document.keys.secrets === 1 ? [secrets] : JSON.parse(secrets) } }),
    ...(isRevoked(row) && { scopes: undefined }),
  });
  return {
    ...others,
    id,
    iss,
    audiences,
    authorizedParties,
    anyAudience,
    algorithms,
    keys: keysOf(keys),
    tenant: fixed === undefined ? { kind: "claim", claim, ...mapping } : { kind: "fixed", id: fixed },
    subject: { claims: [subject.claim].flat(), namespace: subject.namespace ?? id },
    scopes: Array.isArray(scopes)
      ? { kind: "fixed", scopes: new Set(isRevoked(row) ? [] : scopes) }
      : { kind: "claim", ...scopes },
    require: Object.entries(require).map(([path, values]) => [path, [values].flat()]),
    ...(name && { name: name.claim }),
    ...(row.tenant_version !== null && { version: row.tenant_version }),
  };
}

function keysOf({ jwksUrl, jwks, secrets }: IssuerSettings["keys"]): Issuer["keys"] {
  if (jwksUrl !== undefined) return { kind: "jwks-url", url: jwksUrl };
  if (jwks) return { kind: "jwks", jwks };
  return secrets
    ? { kind: "secrets", secrets: secrets.map((secret) => new TextEncoder().encode(secret)) }
    : { kind: "discovery" };
}

const isRevoked = (row: IssuerRow) => scopesOf(row.scopes).size === 0;

export function issuerDocument(row: IssuerRow): IssuerDocument {
  const document = row.document === null ? documentBefore(row) : (JSON.parse(row.document) as object);
  return { id: row.id, ...document, ...(isRevoked(row) && { scopes: [] }) } as unknown as IssuerDocument;
}

/** What the version before reads: the persons are those of API keys and of other such issuers. In the order of the schema. */
function documentBefore(row: IssuerRow): object {
  const keys = row.jwks === null ? { secrets: 1 } : { jwks: JSON.parse(row.jwks) as object };
  return {
    issuer: row.iss,
    audiences: [row.audience],
    keys: row.jwks_url === null ? keys : { jwksUrl: row.jwks_url },
    algorithms: JSON.parse(row.algorithms) as unknown,
    tenant: row.tenant === null ? { claim: wholeName(row.tenant_claim ?? "") } : { fixed: row.tenant },
    subject: { claim: wholeName(row.subject_claim), namespace: TENANT_NAMESPACE },
    scopes: [...scopesOf(row.scopes)],
    maxGrantSeconds: row.max_grant_seconds ?? DEFAULT_GRANT_SECONDS,
  };
}

/** A claim's name as a claim of a document, where "/" begins a JSON Pointer. */
function wholeName(name: string): string {
  return name.startsWith("/") ? `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` : name;
}

export async function issuerRow(id: string, settings: IssuerSettings, encryption: FieldEncryption): Promise<IssuerRow> {
  const { audiences: [audience = ""] = [], keys, tenant, subject, scopes } = settings;
  const { jwksUrl = null, jwks = { keys: [] }, secrets } = keys;
  const algorithms = (settings.algorithms ?? algorithmsOf(keys)).filter((name) => ALGORITHMS_BEFORE.test(name));
  const document = { ...settings, keys: secrets ? { secrets: secrets.length } : keys };
  const secret = secrets?.length === 1 ? secrets[0] : secrets && JSON.stringify(secrets);
  const row = {
    id,
    iss: settings.issuer,
    audience,
    algorithms: JSON.stringify(algorithms),
    jwks_url: jwksUrl,
    jwks: jwksUrl === null && !secrets ? JSON.stringify(jwks) : null,
    sealed_secret: secret === undefined ? null : await encryption.seal(secret, secretContext(id)),
    tenant: tenant.fixed ?? null,
    tenant_claim: tenant.claim ?? null,
    subject_claim: [subject.claim].flat()[0] ?? "",
    scopes: JSON.stringify(Array.isArray(scopes) ? scopes : []),
    max_grant_seconds: settings.maxGrantSeconds,
    document: JSON.stringify(document),
  };
  const isReadable = Array.isArray(scopes) && comparable(documentBefore(row)) === comparable(document);
  return isReadable ? row : { ...row, ...REFUSED_BEFORE };
}

/** What two documents must have in common. Algorithms and scopes are compared on their own. */
function comparable(document: object): string {
  return JSON.stringify({ ...document, algorithms: undefined, scopes: undefined });
}
