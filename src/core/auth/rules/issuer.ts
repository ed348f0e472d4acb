import { type Scope, SCOPES_BY_NAME } from "./scopes.ts";

export const ASYMMETRIC_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;

/** An identity provider whose JWTs are accepted. A claim is a name, taken whole, or a JSON Pointer, which begins with "/". */
export interface Issuer {
  readonly id: string;
  /** The `iss` claim, compared exactly. It may contain `TENANT_PART` once. */
  readonly iss: string;
  /** The claim that must equal what stands for `TENANT_PART`. */
  readonly issuerPart?: string;
  /** Any of them. */
  readonly audiences: readonly string[];
  /** Any of `azp`, `client_id` and `cid` is any of them. */
  readonly authorizedParties: readonly string[];
  /** Accepts tokens that have no audience and no authorized party at all. */
  readonly anyAudience: boolean;
  readonly algorithms: readonly string[];
  /** The source of its verification keys. */
  readonly keys:
    | { readonly kind: "discovery" }
    | { readonly kind: "jwks-url"; readonly url: string }
    | { readonly kind: "jwks"; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
    | { readonly kind: "secrets"; readonly secrets: readonly Uint8Array[] };
  /** Its tokens are valid for this tenant only, or for the tenant that a claim names. */
  readonly tenant:
    | { readonly kind: "fixed"; readonly id: string }
    | {
        readonly kind: "claim";
        readonly claim: string;
        /** The only values that are accepted, unless there is `transform` or `provision`, too. Read with `Object.hasOwn`. */
        readonly map?: Readonly<Record<string, string>>;
        readonly transform?: "slug";
      };
  /** The first of the claims that is not empty. */
  readonly subject: { readonly claims: readonly string[]; readonly namespace: string };
  readonly scopes:
    | { readonly kind: "fixed"; readonly scopes: ReadonlySet<Scope> }
    | { readonly kind: "claim"; readonly claim: string; readonly map?: Readonly<Record<string, readonly Scope[]>> };
  readonly require: readonly (readonly [claim: string, values: readonly unknown[]])[];
  /** Its tokens make the tenant that they name, on this plan. */
  readonly provision?: { readonly plan: string; readonly maxTenants: number; readonly maxPerMinute: number };
  /** The claim of the display name of a tenant that its tokens make. */
  readonly name?: string;
  /** The header that carries its tokens, in lower case, besides `Authorization`. */
  readonly header?: string;
  /** The longest life of a grant that its tokens mint. */
  readonly maxGrantSeconds: number;
  /** The tenant's version when the issuer was read; absent if a claim names the tenant. */
  readonly version?: number;
}

/** An `iss` that can be configured. Tokens with any other are refused without a look-up. */
export const ISS = /^[\x20-\x7e]{1,500}$/;

/** OpenID Connect Discovery 1.0 section 4.1: "any terminating / MUST be removed before appending /.well-known/". */
export function discoveryUrl(iss: string): string {
  return `${iss.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

/** Stands for one part of `iss`: Entra ID has an issuer per directory. */
export const TENANT_PART = "{tenant}";

/** @returns what stands for `TENANT_PART` in this `iss`, or `undefined` if it is not one of the issuer, or the issuer has no such part */
export function issuerPartOf({ iss: template }: Pick<Issuer, "iss">, iss: string): string | undefined {
  const [before = "", after] = template.split(TENANT_PART);
  if (after === undefined || !iss.startsWith(before) || !iss.endsWith(after)) return undefined;
  const part = iss.slice(before.length, iss.length - after.length);
  return /^[A-Za-z0-9._-]{1,64}$/.test(part) ? part : undefined;
}

/** The map of the claim that names the tenant, if only the values in it are accepted. */
export function onlyMap({ tenant, provision }: Issuer): Readonly<Record<string, string>> | undefined {
  return tenant.kind === "fixed" || tenant.transform || provision ? undefined : tenant.map;
}

/** Whether its tokens may be for this tenant. */
export function isForTenant(issuer: Issuer, id: string): boolean {
  const { tenant } = issuer;
  if (tenant.kind === "fixed") return tenant.id === id;
  const map = onlyMap(issuer);
  return !map || Object.values(map).includes(id);
}

/** Whether its tokens have this scope, or may have it. */
export function canHaveScope({ scopes }: Issuer, scope: Scope): boolean {
  if (scopes.kind === "fixed") return scopes.scopes.has(scope);
  if (!scopes.map) return SCOPES_BY_NAME.includes(scope);
  return Object.values(scopes.map).some((granted) => granted.includes(scope));
}
