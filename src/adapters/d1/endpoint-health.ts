import type { EndpointHealth } from "../../core/ports/webhooks.ts";
import type { Database } from "./database.ts";
import type { Query } from "./query.ts";

/**
 * Records what deliveries show about an endpoint. Deliveries bypass the cache, so `note` is enough. A record for an earlier URL
 * of the endpoint is ignored.
 */
export function createEndpointHealth({ note, write, now }: Database): EndpointHealth {
  return {
    async markFailing({ tenant, id, url }, since) {
      const sql =
        "UPDATE endpoints SET failing_since = ? WHERE tenant = ? AND id = ? AND url = ? AND failing_since IS NULL";
      await note(sql, [since, tenant, id, url]);
    },

    async markWorking({ tenant, id, url }, slow) {
      const sql = "UPDATE endpoints SET failing_since = NULL, slow = ? WHERE tenant = ? AND id = ? AND url = ?";
      await note(sql, [Number(slow), tenant, id, url]);
    },

    async disable({ tenant, id, url }, reason) {
      const query: Query = [
        `UPDATE endpoints SET disabled_at = ?, disabled_reason = ?
         WHERE tenant = ? AND id = ? AND url = ? AND disabled_at IS NULL`,
        [now(), reason, tenant, id, url],
      ];
      const entry = { actor: "sluice", action: "endpoint.disable", target: id, tenant, details: { reason } } as const;
      await write([query], entry);
    },
  };
}
