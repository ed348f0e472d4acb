import type { IssuerDocument, IssuerSettings } from "../auth/rules/issuer-document.ts";
import type {
  ApiKeyDocument,
  ApiKeySettings,
  AuditDocument,
  EndpointDocument,
  EndpointSettings,
  PlanDocument,
  PlanSettings,
  TenantDocument,
  TenantSettings,
  UpstreamDocument,
  UpstreamSettings,
} from "../shared/admin-documents.ts";
import type { Result } from "../shared/result.ts";
import type { SigningKey } from "../playback/rules/signing-key.ts";
import type { Upstream } from "../stream/rules/upstream.ts";
import type { Provisioning } from "./provisioning.ts";
import type { EndpointHealth } from "./webhooks.ts";

/**
 * The registry as the operator reads and writes it: in documents, and never from a cache. A write resolves after the ledgers of
 * the tenants that it concerns have been notified.
 *
 * Every method throws `RegistryUnavailable` if the database fails. `get` resolves to `undefined`, and `delete` to `false`, if
 * there is no such document.
 */
export interface AdminRegistry {
  readonly tenants: TenantStore;
  readonly plans: PlanStore;
  readonly apiKeys: ApiKeyStore;
  readonly issuers: IssuerStore;
  readonly upstreams: UpstreamStore;
  readonly signingKeys: SigningKeyStore;
  readonly endpoints: EndpointStore;
  readonly health: EndpointHealth;
  readonly provisioning: Provisioning;
  /** The audit log, newest entry first. */
  audit(query: AuditQuery): Promise<readonly AuditDocument[]>;
}

/** One page of a list that is ordered by id. */
export interface Page {
  /** The last id of the previous page, or an empty text. */
  readonly cursor: string;
  readonly limit: number;
}

export interface AuditQuery {
  /** Only entries older than the one with this id. */
  readonly before: number;
  readonly limit: number;
  readonly tenant?: string | undefined;
}

/** The result of a successful `put`, which creates or replaces the whole document. */
export interface Put<Document> {
  readonly document: Document;
  readonly created: boolean;
}

export interface TenantStore {
  list(page: Page): Promise<readonly TenantDocument[]>;
  get(id: string): Promise<TenantDocument | undefined>;
  /**
   * Fails with `body_invalid` if the plan or the upstream does not exist, or if a member is absent that the tenant has and that is
   * not `{}` (`plan`, `policy` or `limits`, which are not emptied by leaving them out); with `conflict` if a tenant of this id was
   * deleted earlier.
   *
   * @param restore creates a tenant even if one of this id was deleted earlier; it takes over that tenant's ledger
   */
  put(id: string, settings: TenantSettings, restore?: boolean): Promise<Result<Put<TenantDocument>>>;
  /** Also deletes the tenant's keys, its endpoints and the issuers that speak only for it. */
  delete(id: string): Promise<boolean>;
}

export interface PlanStore {
  list(page: Page): Promise<readonly PlanDocument[]>;
  get(id: string): Promise<PlanDocument | undefined>;
  /**
   * Resolves after every upstream's budget object refuses creations that were decided by an older version. Fails with `body_invalid`
   * as a tenant's `put`.
   */
  put(id: string, settings: PlanSettings): Promise<Result<Put<PlanDocument>>>;
  /** Fails with `conflict` while tenants or issuers use the plan. */
  delete(id: string): Promise<Result<boolean>>;
}

export interface ApiKeyStore {
  list(tenant: string, page: Page): Promise<readonly ApiKeyDocument[]>;
  /**
   * @param hash SHA-256 of the key, in hexadecimal
   * @returns `undefined` if there is no such tenant
   */
  create(tenant: string, id: string, hash: string, settings: ApiKeySettings): Promise<ApiKeyDocument | undefined>;
  /** @returns `true` also if the key was revoked before, `false` if there is no such key */
  revoke(tenant: string, id: string): Promise<boolean>;
}

export interface IssuerStore {
  list(page: Page): Promise<readonly IssuerDocument[]>;
  get(id: string): Promise<IssuerDocument | undefined>;
  /**
   * Fails with `body_invalid` if the tenant or the plan does not exist, with `conflict` if it would take the persons of another
   * issuer, or another one its persons.
   */
  put(id: string, settings: IssuerSettings): Promise<Result<Put<IssuerDocument>>>;
  delete(id: string): Promise<boolean>;
  /** Ids of up to 5 other issuers whose persons are the same, only because all of them were put by a version without namespaces. */
  listSharing(id: string): Promise<readonly string[]>;
}

export interface UpstreamStore {
  list(page: Page): Promise<readonly UpstreamDocument[]>;
  get(id: string): Promise<UpstreamDocument | undefined>;
  /** Fails with `conflict` if the account would change while tenants use the upstream: their videos would seem lost. */
  put(id: string, settings: UpstreamSettings): Promise<Result<Put<UpstreamDocument>>>;
  /** Fails with `conflict` while tenants use the upstream. */
  delete(id: string): Promise<Result<boolean>>;
  /**
   * Stores the newest secret of the account's webhook; the one before stays valid.
   *
   * @param url the webhook's address, for the audit log
   * @returns `false` if the upstream is gone or now belongs to another account
   */
  rotateWebhookSecret(upstream: Pick<Upstream, "id" | "accountId">, secret: string, url: string): Promise<boolean>;
}

export interface SigningKeyStore {
  /** All keys of an upstream, newest first, also those of an account that it no longer has. */
  list(upstream: string): Promise<readonly StoredSigningKey[]>;
  /**
   * Seals and stores a key.
   *
   * @param origin made at Stream for this, or brought by the operator
   * @returns `false` if the upstream has the key, or the maximum of keys, or is gone, or now belongs to another account
   */
  add(
    upstream: Pick<Upstream, "id" | "accountId">,
    key: Pick<SigningKey, "id" | "jwk">,
    origin: "made" | "imported",
  ): Promise<boolean>;
  /** @param account whose other upstreams lose the key, too */
  delete(upstream: string, id: string, account?: string): Promise<boolean>;
}

/** What is shown of a key. */
export interface StoredSigningKey extends Omit<SigningKey, "jwk"> {
  /** Whether it opens with `MASTER_KEYS`: else it signs nothing. */
  readonly opens: boolean;
}

export interface EndpointStore {
  /** All endpoints of a tenant, ordered by id. */
  list(tenant: string): Promise<readonly EndpointDocument[]>;
  get(tenant: string, id: string): Promise<EndpointDocument | undefined>;
  /**
   * Fails with `not_found` if there is no such tenant, with `conflict` if it has the maximum number of endpoints or another
   * change came first.
   *
   * @param newSecret used if the endpoint has no readable secret yet; the result then contains it
   */
  put(
    tenant: string,
    id: string,
    settings: EndpointSettings,
    newSecret: string,
  ): Promise<Result<Put<EndpointDocument> & { readonly secret?: string }>>;
  delete(tenant: string, id: string): Promise<boolean>;
  /** Adds a secret; the replaced ones stay valid for a day. Fails with `not_found`, or `conflict` if another change came first. */
  rotateSecret(tenant: string, id: string, newSecret: string): Promise<Result<EndpointDocument>>;
}
