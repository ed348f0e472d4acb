import type { AdminRegistry } from "../../core/ports/admin-registry.ts";
import { createApiKeyStore } from "./api-key-store.ts";
import { readAuditLog } from "./audit-log.ts";
import { type Listeners, createDatabase } from "./database.ts";
import { createEndpointHealth } from "./endpoint-health.ts";
import { createEndpointStore } from "./endpoint-store.ts";
import type { FieldEncryption } from "./field-encryption.ts";
import { createIssuerStore } from "./issuer-store.ts";
import { createPlanStore } from "./plan-store.ts";
import { createProvisioning } from "./provisioning.ts";
import { createSigningKeyStore } from "./signing-key-store.ts";
import { createTenantStore } from "./tenant-store.ts";
import { createUpstreamStore } from "./upstream-store.ts";

/**
 * The registry in D1, as the operator reads and writes it.
 *
 * @param now milliseconds since the epoch
 */
export function createAdminRegistry(
  db: D1Database,
  encryption: FieldEncryption,
  now: () => number,
  listeners: Listeners,
): AdminRegistry {
  const database = createDatabase(db, now, listeners);
  return {
    tenants: createTenantStore(database),
    plans: createPlanStore(database),
    apiKeys: createApiKeyStore(database),
    issuers: createIssuerStore(database, encryption),
    upstreams: createUpstreamStore(database, encryption),
    signingKeys: createSigningKeyStore(database, encryption),
    endpoints: createEndpointStore(database, encryption),
    health: createEndpointHealth(database),
    provisioning: createProvisioning(database),
    audit: (query) => readAuditLog(database, query),
  };
}
