import { DurableObject } from "cloudflare:workers";

/**
 * The least that a creation with admission can cost: a Worker that makes the gateway's call to Stream, and before and after it the
 * gateway's call to the tenant's ledger, with one durable row each. Without the first, a repeated request creates a second video;
 * without the second, an acknowledged upload is lost. Nothing is parsed, authenticated, decided, counted or logged, and the budget,
 * which the gateway asks beside the ledger, is left out.
 */
export default {
  async fetch(request, env) {
    const { headers } = request;
    const ledger = env.LEDGER.getByName("acme");
    const id = crypto.randomUUID();
    await ledger.reserve(id);
    const response = await fetch(`${env.STREAM_API_BASE}/accounts/${env.STREAM_ACCOUNT_ID}/stream?direct_user=true`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${env.STREAM_API_TOKEN}`,
        "Tus-Resumable": "1.0.0",
        "Upload-Length": headers.get("Upload-Length"),
        "Upload-Metadata": headers.get("Upload-Metadata"),
      },
    });
    const [location, uid] = [response.headers.get("Location"), response.headers.get("Stream-Media-Id")];
    await ledger.attach(id, uid, location);
    return new Response(null, { status: response.status, headers: { Location: location, "Stream-Media-Id": uid } });
  },
};

export class TenantLedger extends DurableObject {
  constructor(state, env) {
    super(state, env);
    state.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS floor (id TEXT PRIMARY KEY, bytes INTEGER, created REAL, uid TEXT, location TEXT) WITHOUT ROWID",
    );
  }

  reserve(id) {
    this.ctx.storage.sql.exec("INSERT INTO floor (id, bytes, created) VALUES (?, 52428800, ?)", id, Date.now());
    return true;
  }

  attach(id, uid, location) {
    this.ctx.storage.sql.exec("UPDATE floor SET uid = ?, location = ? WHERE id = ?", uid, location, id);
    return true;
  }
}

/** Bound, but not used. */
export class UpstreamBudget extends DurableObject {}
