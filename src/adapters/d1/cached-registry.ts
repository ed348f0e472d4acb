import type { Config } from "../../config.ts";
import type { ApiKeyRecord } from "../../core/auth/rules/api-key.ts";
import { ISS, type Issuer, TENANT_PART, issuerPartOf } from "../../core/auth/rules/issuer.ts";
import type { CachedRegistry, Trust, Registry } from "../../core/ports/registry.ts";
import { problem } from "../../core/shared/problem.ts";
import { registryUnavailable } from "../../core/shared/registry-unavailable.ts";
import { type Result, err, ok } from "../../core/shared/result.ts";
import { attempt } from "../attempt.ts";
import { DEFAULT_UPSTREAM, TENANT_ID, type Tenant } from "../../core/shared/tenant.ts";
import { type SigningKey, chooseSigningKey } from "../../core/playback/rules/signing-key.ts";
import type { Upstream } from "../../core/stream/rules/upstream.ts";
import type { Endpoint } from "../../core/webhooks/rules/endpoint.ts";
import type { PolicyDocument } from "../../core/policy/rules/policy.ts";
import { setBounded } from "../../platform/bounded-map.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import { type IssuerRow, readIssuer } from "./issuer-row.ts";
import { LookupCache } from "./lookup-cache.ts";
import { EMPTY_TENANT } from "./provisioning.ts";
import {
  type ApiKeyRow,
  type EndpointRow,
  type TenantPlan,
  type TenantRow,
  type TenantVersion,
  type UpstreamRow,
  apiKeyOf,
  credentialContext,
  endpointOf,
  endpointSecretsContext,
  policyOf,
  tenantOf,
  upstreamOf,
  webhookContext,
} from "./rows.ts";
import { SIGNING_KEYS, type SigningKeyRow, openSigningKeys } from "./signing-key-store.ts";
import { WAS_DELETED } from "./tenant-store.ts";

/** The cached registry, with the operation that the admin registry calls after a change. */
export interface InvalidatableRegistry extends CachedRegistry {
  /**
   * Invalidates every cached entry: changes are rare, and one may affect tenants, keys and issuers together.
   *
   * @param bookmark of the change; later reads use a replica that has seen it
   */
  readonly invalidate: (bookmark?: D1SessionBookmark | null) => void;
}

/**
 * Credentials are read together with the version of their tenant: if one has been revoked since, the tenant's ledger has a later
 * version.
 */
const API_KEY = `
  SELECT api_keys.*, tenants.version AS tenant_version
  FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant WHERE api_keys.id = ?`;
const ISSUERS = `
  SELECT issuers.*, tenants.version AS tenant_version FROM issuers LEFT JOIN tenants ON tenants.id = issuers.tenant WHERE `;
/**
 * Issuers that a token's `iss` alone does not find: those that name a header, those with a part that varies, and all whose `iss`
 * may be one of the latter's. Their tokens need no look-up for each directory, which made-up directories could exhaust.
 */
const SPECIAL_ISSUERS = `
  WITH special AS (
    SELECT id, instr(iss, '${TENANT_PART}') AS at, substr(iss, 1, instr(iss, '${TENANT_PART}') - 1) AS start,
      substr(iss, instr(iss, '${TENANT_PART}') + ${TENANT_PART.length}) AS rest FROM issuers
    WHERE instr(iss, '${TENANT_PART}') OR json_extract(document, '$.header') NOTNULL
  )
  ${ISSUERS} issuers.id IN (
    SELECT id FROM special
    UNION SELECT alike.id FROM special JOIN issuers alike ON at AND alike.iss BETWEEN start AND start || char(127)
      AND instr(alike.iss, rest)
  ) ORDER BY issuers.id`;
const TENANT = `
  SELECT tenants.*, plans.policy AS plan_policy, plans.limits AS plan_limits, plans.upstream AS plan_upstream,
    plans.version AS plan_version
  FROM tenants LEFT JOIN plans ON plans.id = tenants.plan WHERE tenants.id = ?`;
const PROSPECT = `
  SELECT ?1 AS id, 0 AS suspended, 'delete' AS abandoned, 0 AS version, '' AS upstream, plans.id AS plan,
    '${EMPTY_TENANT.document}' AS document, NULL AS provisioned_by, policy AS plan_policy, limits AS plan_limits, upstream AS plan_upstream,
    version AS plan_version, EXISTS (SELECT 1 FROM tenants WHERE id = ?1) AS is_made, ${WAS_DELETED} AS was_deleted
  FROM plans
  WHERE id = coalesce((SELECT document ->> '$.provision.plan' FROM issuers WHERE id = ?3), ?2)`;
const ENDPOINTS = "SELECT * FROM endpoints WHERE tenant = ? ORDER BY id";

/** Policies of plans per isolate. A service has a few plans; each takes a few KB. */
const MAX_PLANS = 100;

/**
 * Reads tenants, keys, issuers, upstreams and endpoints from D1, through a cache that bounds both the age of the values and the
 * number of negative lookups. It caches values, never promises: a request that awaits the I/O of another one would hang when
 * that one is cancelled.
 */
export function createRegistry(
  db: D1Database,
  config: Pick<Config, "registryCacheSeconds" | "defaultUpstream">,
  encryption: FieldEncryption,
  now: () => number,
): InvalidatableRegistry {
  const lifetimeMs = config.registryCacheSeconds * 1000;
  const tenants = new LookupCache<Result<Tenant>>(lifetimeMs, now);
  const apiKeys = new LookupCache<Result<ApiKeyRecord>>(lifetimeMs, now);
  const issuers = new LookupCache<Result<readonly Issuer[]>>(lifetimeMs, now);
  const specialIssuers = new LookupCache<Result<readonly SpecialIssuer[]>>(lifetimeMs, now);
  const upstreams = new LookupCache<Result<Upstream>>(lifetimeMs, now);
  const signingKeys = new LookupCache<Result<readonly SigningKey[]>>(lifetimeMs, now);
  const endpoints = new LookupCache<Result<readonly Endpoint[]>>(lifetimeMs, now);
  const planPolicies = new Map<string, PolicyDocument>();
  let newest: D1SessionBookmark | undefined;

  /** Parses the policy of a plan once for all of its tenants. */
  function readPlan(json: string): PolicyDocument {
    const policy = planPolicies.get(json) ?? policyOf(JSON.parse(json), "plan");
    setBounded(planPolicies, json, policy, MAX_PLANS);
    return policy;
  }

  async function lookUp<T>(
    cache: LookupCache<Result<T>>,
    name: string,
    load: () => Promise<Result<T> | undefined>,
    bypassCache: boolean,
    trust?: Trust,
  ): Promise<Result<T | undefined>> {
    const cached = cache.get(name);
    if (cached?.fresh && !bypassCache) return cached.value ?? ok(undefined);
    // Names that were found before, and trusted names, are never limited: a flood of made-up names must not block them.
    const lookup = cached || trust ? undefined : cache.startLookup(name);
    if (lookup === "limited")
      return err(problem("registry_busy", "Too many lookups of unknown names.", { retryAfterSeconds: 1 }));
    const isCharged = lookup === "started";
    const fill = cache.begin();
    try {
      const value = await load();
      if (isCharged && value !== undefined) cache.limiter.refund();
      cache.set(name, value, fill);
      return value ?? ok(undefined);
    } catch (error) {
      if (isCharged) cache.limiter.refund();
      return err(registryUnavailable(error));
    }
  }

  const lookUps = (bypassCache: boolean): Registry => {
    /** Any replica that has seen this isolate's changes will do; its lag adds to the age of other changes. */
    const session = () => db.withSession(bypassCache ? "first-primary" : (newest ?? "first-unconstrained"));
    const prepare = (sql: string, name: string) => session().prepare(sql).bind(name);

    const lookUpSpecial = async () => {
      const load = async () => {
        const { results } = await session().prepare(SPECIAL_ISSUERS).all<IssuerRow & TenantVersion>();
        // One that cannot be read does not keep out the tokens of others.
        return ok(
          await Promise.all(
            results.map(async (row) => ({
              iss: row.iss,
              issuer: await attempt(() => readIssuer(row, encryption), registryUnavailable),
            })),
          ),
        );
      };
      const found = await lookUp(specialIssuers, "", load, bypassCache, "trusted");
      return found.ok ? ok(found.value ?? []) : found;
    };

    return {
      async tenant(id, trust) {
        if (!TENANT_ID.test(id)) return ok(undefined);
        const load = async () => {
          const row = await prepare(TENANT, id).first<TenantRow & TenantPlan>();
          return row ? parse(() => tenantOf(row, readPlan)) : undefined;
        };
        return lookUp(tenants, id, load, bypassCache, trust);
      },

      prospect: (id, { issuer, plan }) =>
        attempt(async () => {
          const row = await db
            .withSession("first-primary")
            .prepare(PROSPECT)
            .bind(id, plan, issuer)
            .first<ProspectRow>();
          if (!row) throw new Error(`The plan ${plan} does not exist.`);
          if (row.is_made) return lookUps(true).tenant(id, "trusted");
          return ok(row.was_deleted ? undefined : { ...tenantOf(row, readPlan), isProspect: true });
        }, registryUnavailable).then((found) => (found.ok ? found.value : found)),

      apiKey(id, trust) {
        const load = async () => {
          const row = await prepare(API_KEY, id).first<ApiKeyRow & TenantVersion>();
          return row ? parse(() => apiKeyOf(row)) : undefined;
        };
        return lookUp(apiKeys, id, load, bypassCache, trust);
      },

      async issuers(iss, trust) {
        if (!ISS.test(iss) || iss.includes(TENANT_PART)) return ok([]);
        const load = async () => {
          const { results } = await prepare(`${ISSUERS} iss = ? ORDER BY issuers.id`, iss).all<
            IssuerRow & TenantVersion
          >();
          if (results.length === 0) return undefined;
          return attempt(() => Promise.all(results.map((row) => readIssuer(row, encryption))), registryUnavailable);
        };
        const byIss = () => lookUp(issuers, iss, load, bypassCache, trust);
        // A name that may be made up is looked up only if it has to be: that counts.
        const [special, known] = await Promise.all([lookUpSpecial(), issuers.get(iss) && byIss()]);
        if (!special.ok) return special;
        const alike = special.value.filter((found) => found.iss === iss || issuerPartOf(found, iss) !== undefined);
        if (alike.some((found) => found.iss !== iss)) return allOf(alike.map(({ issuer }) => issuer));
        const found = known ?? (await byIss());
        return found.ok ? ok(found.value ?? []) : found;
      },

      async issuersWithHeader() {
        const special = await lookUpSpecial();
        return special.ok
          ? ok(special.value.flatMap(({ issuer }) => (issuer.ok && issuer.value.header ? issuer.value : [])))
          : special;
      },

      async upstream(id, trust) {
        if (id === DEFAULT_UPSTREAM) return ok(config.defaultUpstream);
        const load = async () => {
          const row = await prepare("SELECT * FROM upstreams WHERE id = ?", id).first<UpstreamRow>();
          if (!row) return undefined;
          const [credential, webhookSecrets] = await Promise.all([
            encryption.open(row.sealed_credential, credentialContext(row)),
            row.sealed_webhook_secrets === null
              ? undefined
              : encryption.open(row.sealed_webhook_secrets, webhookContext(row)),
          ]);
          return parse(() => upstreamOf(row, credential, webhookSecrets));
        };
        return lookUp(upstreams, id, load, bypassCache, trust);
      },

      async signingKey({ id, accountId }) {
        const load = async () => {
          const { results } = await prepare(SIGNING_KEYS, id).all<SigningKeyRow>();
          return ok(await openSigningKeys(results, encryption));
        };
        const found = await lookUp(signingKeys, id, load, bypassCache, "trusted");
        if (!found.ok) return found;
        const ofAccount = found.value?.filter((key) => key.accountId === accountId) ?? [];
        return ok(chooseSigningKey(ofAccount, now()));
      },

      async endpoints(tenant) {
        const load = async () => {
          const { results } = await prepare(ENDPOINTS, tenant).all<EndpointRow>();
          const secrets = await Promise.all(
            results.map((row) => encryption.open(row.sealed_secrets, endpointSecretsContext(row))),
          );
          return parse(() => results.map((row, index) => endpointOf(row, secrets[index], now())));
        };
        const found = await lookUp(endpoints, tenant, load, bypassCache);
        return found.ok ? ok(found.value ?? []) : found;
      },
    };
  };

  return {
    ...lookUps(false),
    uncached: lookUps(true),

    invalidate: (bookmark) => {
      // Bookmarks sort by age, as text. Writes may return in another order than they were made in.
      if (bookmark && (newest === undefined || bookmark > newest)) newest = bookmark;
      for (const cache of [tenants, apiKeys, issuers, specialIssuers, upstreams, signingKeys, endpoints])
        cache.expire();
    },
  };
}

interface ProspectRow extends TenantRow, TenantPlan {
  readonly is_made: number;
  readonly was_deleted: number;
}

interface SpecialIssuer {
  readonly iss: string;
  readonly issuer: Result<Issuer>;
}

function allOf<T>(results: readonly Result<T>[]): Result<readonly T[]> {
  const failed = results.find((result) => !result.ok);
  return failed ?? ok(results.flatMap((result) => (result.ok ? [result.value] : [])));
}

/** An unreadable row becomes a problem and is cached like a value: it stays unreadable until it is written again. */
function parse<T>(row: () => T): Promise<Result<T>> {
  return attempt(row, registryUnavailable);
}
