import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createApp } from "../../../src/app.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { TENANT_SETTINGS, seedTenant } from "../support/worker.ts";
import { config, operator, encryption } from "./isolates.ts";

describe("DELETE of an upload after a revocation", () => {
  /** The whole Worker, in an isolate with a cache of its own that holds the tenant and its key. */
  async function worker(key: string) {
    const registry = createRegistry(env.DB, config, encryption, Date.now);
    const app = createApp({ ...createDependencies(env, config), registry });
    const send = (method: string, path: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const context = createExecutionContext();
      return app.fetch(new Request(`https://sluice.example${path}`, { method, headers }), env, context);
    };
    expect((await send("GET", "/v1/acme/uploads")).status).toBe(200);
    return send;
  }

  async function issued() {
    const [id, uid, ledger] = [uuidv7(), uuidv7().replaceAll("-", ""), env.LEDGER.getByName("acme")];
    const size = { bytes: 5, seconds: 60, expires: 4e9 };
    await ledger.reserve({ id, version: Infinity, limits: {}, upstream: "default", ...size });
    await ledger.attach(id, uid, "https://upload.example/1");
    return { id, uid, state: async () => (await ledger.find(id))?.state };
  }

  const PATHS = [
    ["on the upload's path", ({ id }: { id: string }) => `/v1/acme/uploads/${id}`],
    ["on Cloudflare's path", ({ uid }: { uid: string }) => `/client/v4/accounts/acme/stream/${uid}`],
  ] as const;

  it.each(PATHS)("returns 401 %s after the revocation of the key was answered", async (_, path) => {
    const key = await seedTenant("acme");
    const [send, upload] = [await worker(key), await issued()];
    await operator().apiKeys.revoke("acme", key.split("_")[1] ?? "");
    const response = await send("DELETE", path(upload));
    expect([response.status, (await response.json<{ code: string }>()).code]).toEqual([401, "credential_revoked"]);
    expect(await upload.state()).toBe("issued");
  });

  it.each(PATHS)("succeeds %s if the tenant has changed and the key has not", async (_, path) => {
    const key = await seedTenant("acme");
    const [send, upload] = [await worker(key), await issued()];
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, name: "Acme" });
    expect((await send("DELETE", path(upload))).status).toBe(200);
    expect(await upload.state()).toBe("cancelled");
  });

  it("returns 403 after the tenant was suspended", async () => {
    const [send, upload] = [await worker(await seedTenant("acme")), await issued()];
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, suspended: true });
    expect((await send("DELETE", PATHS[0][1](upload))).status).toBe(403);
    expect(await upload.state()).toBe("issued");
  });

  it("returns 503 while the ledger has a later tenant version than the registry", async () => {
    const [send, upload] = [await worker(await seedTenant("acme")), await issued()];
    await env.LEDGER.getByName("acme").learn(Number.MAX_SAFE_INTEGER, false);
    const response = await send("DELETE", PATHS[0][1](upload));
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await upload.state()).toBe("issued");
  });
});
