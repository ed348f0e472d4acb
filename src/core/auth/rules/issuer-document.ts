import * as v from "valibot";
import { DEFAULT_GRANT_SECONDS, MAX_GRANT_SECONDS, MIN_GRANT_SECONDS } from "./grant.ts";
import { ASYMMETRIC_ALGORITHMS, ISS, SYMMETRIC_ALGORITHMS, TENANT_PART } from "./issuer.ts";
import { publicKeySet } from "./jwk-set.ts";
import { scopes } from "./scopes.ts";
import { isFetchableUrl } from "../../shared/fetched-url.ts";
import {
  FETCHABLE_URL,
  fetchableUrl,
  integer,
  listOf,
  mapOf,
  pathTo,
  printable,
  slug,
  uniqueSubset,
} from "../../shared/fields.ts";
import { jsonObject } from "../../shared/strict-object.ts";

/** Audiences, authorized parties, required claims, values of one: a provider issues tokens to a few clients. */
const MAX_ACCEPTED = 20;
/** Claims that are tried for a subject, in order. */
const MAX_SUBJECT_CLAIMS = 5;
/** About as many as a body has room for. More tenants are for a claim that names them, or for `provision`. */
const MAX_MAP_ENTRIES = 1_000;
/** Namespaced claims are URLs, and pointers have several names. */
const MAX_CLAIM_CHARACTERS = 200;
/** Of `iss`, `aud` and other values that are compared with a token's. */
const MAX_VALUE_CHARACTERS = 500;
/** One is being replaced by the other. */
const MAX_SECRETS = 2;
/** RFC 7518 section 3.2: "A key of the same size as the hash output (for instance, 256 bits for HS256) or larger MUST be used". */
const MIN_SECRET_BYTES = 32;
const MAX_SECRET_BYTES = 1_024;
/** What one issuer may add to the registry: tenants in all, and in a minute. */
const MAX_PROVISIONED = 10_000_000;
const DEFAULT_PROVISIONED = 1_000;
const MAX_PROVISIONED_PER_MINUTE = 10_000;
const DEFAULT_PROVISIONED_PER_MINUTE = 60;

/** Beginnings of headers that clients, proxies or the gateway give a meaning: none of them may carry a token. */
const HEADER_IN_USE =
  /^(?:accept|access-|authorization|cf-(?!access-)|connection|content-|cookie|date|forwarded|host|idempotency-|if-|origin|proxy-|range|referer|sec-|te$|transfer-|tus-|upgrade|upload-|user-agent|via|webhook-|x-(?:api-key|forwarded|http-method|real-ip))/;

/** The name of a claim, taken whole, or a JSON Pointer (RFC 6901), which begins with "/". */
const claim = v.pipe(
  printable(MAX_CLAIM_CHARACTERS),
  v.check((path) => !/^\/.*~(?![01])/.test(path), 'must have ~0 for "~" in a JSON Pointer'),
);
const value = printable(MAX_VALUE_CHARACTERS);
/** `iss`, `aud` and names of clients, which are compared exactly. */
const identifier = v.pipe(v.string(), v.regex(ISS, "must be 1 to 500 printable ASCII characters"));
const identifiers = v.exactOptional(listOf(identifier, MAX_ACCEPTED));

const secret = v.pipe(
  v.string(),
  v.minBytes(MIN_SECRET_BYTES, `must have at least ${MIN_SECRET_BYTES} bytes`),
  v.maxBytes(MAX_SECRET_BYTES),
);

const exactlyOne = <T extends object>(...names: (keyof T & string)[]) =>
  v.check<T, string>(
    (document) => names.filter((name) => name in document).length === 1,
    `must have exactly one of ${names.join(", ")}`,
  );

const yes = v.exactOptional(v.literal(true));

const keys = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      discovery: yes,
      jwksUrl: v.exactOptional(fetchableUrl(allowLoopback)),
      jwks: v.exactOptional(publicKeySet),
      secrets: v.exactOptional(listOf(secret, MAX_SECRETS, "must be sent again, as a list: they are stored sealed")),
    }),
    exactlyOne("discovery", "jwksUrl", "jwks", "secrets"),
  );

const tenant = v.pipe(
  jsonObject({
    claim: v.exactOptional(claim),
    /** A value of the claim → the tenant. */
    map: v.exactOptional(mapOf(value, slug, MAX_MAP_ENTRIES)),
    /** What becomes of a value that `map` does not have. */
    transform: v.exactOptional(v.picklist(["slug"])),
    fixed: v.exactOptional(slug),
  }),
  exactlyOne("claim", "fixed"),
  v.check(
    (source) => "claim" in source || !("map" in source || "transform" in source),
    "map and transform need a claim",
  ),
);

const subjectClaims = listOf(claim, MAX_SUBJECT_CLAIMS);
const subject = jsonObject({
  /** The first that is not empty. */
  claim: v.optional(
    v.lazy((claims): typeof claim | typeof subjectClaims => (Array.isArray(claims) ? subjectClaims : claim)),
    "sub",
  ),
  /** Absent: the issuer's id. */
  namespace: v.exactOptional(slug),
});

const claimedScopes = jsonObject({
  claim,
  map: v.exactOptional(mapOf(value, scopes, MAX_MAP_ENTRIES)),
});

/** JSON text may have numbers that only Infinity stands for, which JSON cannot store. */
const scalar = v.union(
  [value, v.custom<number | boolean>((found) => typeof found === "boolean" || Number.isFinite(found))],
  "must be text, a number, true or false",
);
const scalars = listOf(scalar, MAX_ACCEPTED);

const header = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9-]{1,64}$/, "must be 1 to 64 of a-z, 0-9 and -"),
  v.check((name) => !HEADER_IN_USE.test(name), "must be a header without another meaning"),
);

/** The document of `PUT issuers/:id`. As stored, it has no secrets: they are sealed in a column of their own. */
export const issuerSchema = (allowLoopback: boolean) =>
  v.pipe(
    jsonObject({
      issuer: identifier,
      issuerPart: v.exactOptional(claim),
      audiences: identifiers,
      authorizedParties: identifiers,
      anyAudience: yes,
      keys: keys(allowLoopback),
      algorithms: v.exactOptional(uniqueSubset([...ASYMMETRIC_ALGORITHMS, ...SYMMETRIC_ALGORITHMS])),
      tenant,
      subject: v.optional(subject, {}),
      scopes: v.optional(
        v.lazy((list): typeof scopes | typeof claimedScopes => (Array.isArray(list) ? scopes : claimedScopes)),
        ["uploads:create"],
      ),
      require: v.exactOptional(
        mapOf(
          claim,
          v.lazy((list): typeof scalar | typeof scalars => (Array.isArray(list) ? scalars : scalar)),
          MAX_ACCEPTED,
        ),
      ),
      provision: v.exactOptional(
        jsonObject({
          plan: slug,
          maxTenants: v.optional(integer(1, MAX_PROVISIONED), DEFAULT_PROVISIONED),
          maxPerMinute: v.optional(integer(1, MAX_PROVISIONED_PER_MINUTE), DEFAULT_PROVISIONED_PER_MINUTE),
        }),
      ),
      /** Where the display name of a provisioned tenant comes from. */
      name: v.exactOptional(jsonObject({ claim })),
      header: v.exactOptional(header),
      maxGrantSeconds: v.optional(integer(MIN_GRANT_SECONDS, MAX_GRANT_SECONDS), DEFAULT_GRANT_SECONDS),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [key, message] of contradictions(dataset.value, allowLoopback))
        addIssue({ message, path: pathTo(dataset.value, key) });
    }),
  );

/** What the operator sends. */
export type IssuerSettings = v.InferOutput<ReturnType<typeof issuerSchema>>;

/** What the fields of a document require of one another: the field at fault and what is wrong with it. */
function* contradictions(document: IssuerSettings, allowLoopback: boolean): Iterable<readonly [string, string]> {
  const { issuer, issuerPart, audiences, authorizedParties, anyAudience, keys, tenant, provision, name } = document;
  const bound = audiences ?? authorizedParties;
  if (anyAudience ? bound : !bound)
    yield ["audiences", "is required without authorizedParties, except with anyAudience alone"];

  const fitting: readonly string[] = algorithmsOf(keys);
  const misfit = document.algorithms?.find((algorithm) => !fitting.includes(algorithm));
  if (misfit) yield ["algorithms", `${misfit} does not fit the kind of keys`];
  if (keys.discovery && !(isFetchableUrl(issuer, allowLoopback) && /^[^?#]*$/.test(issuer)))
    yield ["issuer", `${FETCHABLE_URL} and query, for keys by discovery`];

  const parts = issuer.split(TENANT_PART).length - 1;
  if (parts > 1) yield ["issuer", `must have ${TENANT_PART} at most once`];
  if (parts > 0 && !(keys.jwksUrl || keys.jwks)) yield ["keys", `must be jwksUrl or jwks${WITH_PART}`];
  if (parts > 0 && !(tenant.map || provision)) yield ["tenant", `needs map, or provision,${WITH_PART}`];
  if (parts > 0 !== (issuerPart !== undefined)) yield ["issuerPart", `is required${WITH_PART}, and only there`];

  if (provision && !tenant.claim) yield ["provision", "needs tenant.claim"];
  if (name && !provision) yield ["name", "needs provision"];
}

const WITH_PART = ` with ${TENANT_PART} in issuer`;

/** All that the kind of keys allows. */
export const algorithmsOf = ({ secrets }: Pick<IssuerSettings["keys"], "secrets">) =>
  secrets ? SYMMETRIC_ALGORITHMS : ASYMMETRIC_ALGORITHMS;

/** What the API returns: the number of secrets in their place, and no scopes if the issuer is being revoked. */
export interface IssuerDocument extends Omit<IssuerSettings, "keys"> {
  readonly id: string;
  readonly keys: Omit<IssuerSettings["keys"], "secrets"> & { readonly secrets?: number };
}
