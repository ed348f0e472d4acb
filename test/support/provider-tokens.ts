import { generateKeyPairSync } from "node:crypto";
import { type JWK, SignJWT, exportJWK } from "jose";
import { readPage } from "./docs-pages.ts";
import { fencesOf } from "./markdown.ts";

/** The identity providers of `docs/identity-providers.md`: their documents, their tokens, and what their hosts answer. */

const fences = fencesOf(readPage("docs/identity-providers.md")).filter(({ language }) => language === "json");

/** The JSON examples with a label such as `provider auth0`, by the word behind the kind. */
function examples<T>(kind: string): Readonly<Record<string, T>> {
  return Object.fromEntries(
    fences
      .map(({ label, text }) => ({ words: label.split(" "), text }))
      .filter(({ words }) => words[0] === kind)
      .map(({ words, text }) => [words[1] ?? "", JSON.parse(text) as T]),
  );
}

export interface IssuerDocument {
  readonly issuer: string;
  readonly algorithms: readonly string[];
  readonly keys: { readonly discovery?: boolean; readonly jwksUrl?: string };
  readonly header?: string;
}
export type Claims = Readonly<Record<string, unknown>>;

/** The documents of `PUT /admin/v1/issuers/:id`, by that id. */
export const DOCUMENTS = examples<IssuerDocument>("provider");
/** The claims of the tokens that the page shows. */
export const TOKENS = examples<Claims>("token");

/** Which document a token is for, where it has another name. */
export const documentOf = (token: string): string => (token === "access-service" ? "access" : token);

/** Where the discovery documents of the providers lead. */
const JWKS_URIS: Readonly<Record<string, string>> = {
  "https://acme.eu.auth0.com/": "https://acme.eu.auth0.com/.well-known/jwks.json",
  "https://securetoken.google.com/acme-films":
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
  "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12Cd34E":
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab12Cd34E/.well-known/jwks.json",
  "https://login.acme.example/realms/films": "https://login.acme.example/realms/films/protocol/openid-connect/certs",
  "https://acme.okta.com/oauth2/default": "https://acme.okta.com/oauth2/default/v1/keys",
};

const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const retired = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const forgers = { rsa: retired, ec: generateKeyPairSync("ec", { namedCurve: "P-256" }) };

const ENTRA_KEYS = "https://login.microsoftonline.com/common/discovery/v2.0/keys";

async function keySet(url: string): Promise<object[]> {
  const keys: JWK[] = [
    { ...(await exportJWK(retired.publicKey)), kid: "retired", alg: "RS256", use: "sig" },
    { ...(await exportJWK(rsa.publicKey)), kid: "RS256", alg: "RS256", use: "sig" },
    { ...(await exportJWK(ec.publicKey)), kid: "ES256", alg: "ES256", use: "sig" },
  ];
  // Entra's keys say for which directories they are, and have no `alg`.
  if (url === ENTRA_KEYS)
    return keys.map((key) => ({ ...key, alg: undefined, issuer: "https://login.microsoftonline.com/{tenantid}/v2.0" }));
  return keys;
}

/** Where a provider publishes its discovery document, by OpenID Connect Discovery 1.0 section 4. */
const discoveryUrl = (issuer: string) => `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;

/** What the host of a provider answers. @returns `undefined` for any other URL */
export async function answerOf(url: string): Promise<object | undefined> {
  for (const { issuer, keys } of Object.values(DOCUMENTS)) {
    const jwksUri = keys.jwksUrl ?? JWKS_URIS[issuer];
    if (keys.discovery && url === discoveryUrl(issuer)) return { issuer, jwks_uri: jwksUri };
    if (url === jwksUri) return { keys: await keySet(url) };
  }
  return undefined;
}

/** The times that the page shows are replaced by those of a token that was made now. */
const TIMES = ["iat", "nbf", "auth_time", "exp"];
const SHOWN_NOW = 1_796_000_000;

export interface SignOptions {
  /** Claims that replace those of the page; `undefined` removes one. */
  readonly claims?: Claims;
  /** Signs with a key of the same kind that the provider does not publish under this `kid`. */
  readonly forged?: boolean;
  readonly kid?: string;
}

/** Signs a token of the page, as its provider would now. */
export function signToken(name: string, { claims = {}, forged = false, kid }: SignOptions = {}): Promise<string> {
  const shown = TOKENS[name];
  const algorithm = DOCUMENTS[documentOf(name)]?.algorithms[0];
  if (!shown || !algorithm) throw new Error(`The page has no token "${name}".`);
  const shift = Math.floor(Date.now() / 1_000) - SHOWN_NOW;
  const times = TIMES.filter((claim) => claim in shown).map((claim) => [claim, Number(shown[claim]) + shift]);
  const payload = { ...shown, ...(Object.fromEntries(times) as Claims), ...claims };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: algorithm, kid: kid ?? algorithm, typ: "JWT" })
    .sign((forged ? forgers : { rsa, ec })[algorithm === "ES256" ? "ec" : "rsa"].privateKey);
}
