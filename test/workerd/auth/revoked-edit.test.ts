import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createApp } from "../../../src/app.ts";
import type { AdminRegistry } from "../../../src/core/ports/admin-registry.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { TENANT_SETTINGS, seedTenant } from "../support/worker.ts";
import { config, encryption, operator } from "./isolates.ts";

/** Nothing listens at the upstream's address: an edit that is let through cannot read the video. */
const ADMITTED = "stream_error";

describe("an edit after a change that the isolate has not seen", () => {
  /** Edits an upload of the tenant `acme`, in an isolate with a cache of its own that holds tenant and key. */
  async function isolate(key: string): Promise<() => Promise<string>> {
    const [id, uid, ledger] = [uuidv7(), uuidv7().replaceAll("-", ""), env.LEDGER.getByName("acme")];
    const size = { bytes: 5, seconds: 60, expires: 4e9 };
    await ledger.reserve({ id, version: Infinity, limits: {}, upstream: "default", ...size });
    await ledger.attach(id, uid, "https://upload.example/1");
    const registry = createRegistry(env.DB, config, encryption, Date.now);
    const app = createApp({ ...createDependencies(env, config), registry });
    const edit = async () => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ maxDurationSeconds: 90 });
      const request = new Request(`https://sluice.example/v1/acme/uploads/${id}`, { method: "PATCH", headers, body });
      const response = await app.fetch(request, env, createExecutionContext());
      return (await response.json<{ code: string }>()).code;
    };
    expect(await edit()).toBe(ADMITTED);
    return edit;
  }

  it.each<[change: string, make: (store: AdminRegistry, key: string) => Promise<unknown>, code: string]>([
    ["of the key", (store, key) => store.apiKeys.revoke("acme", key.split("_")[1] ?? ""), "credential_revoked"],
    [
      "of the tenant",
      (store) => store.tenants.put("acme", { ...TENANT_SETTINGS, suspended: true }),
      "tenant_suspended",
    ],
    [
      "of the policy",
      (store) => store.tenants.put("acme", { ...TENANT_SETTINGS, policy: { features: ["copy"] } }),
      "feature_not_allowed",
    ],
    [
      "of the limits",
      (store) => store.tenants.put("acme", { ...TENANT_SETTINGS, limits: { storedSeconds: 80 } }),
      "limit_too_small",
    ],
  ])("is decided again: %s", async (_, change, code) => {
    const key = await seedTenant("acme");
    const edit = await isolate(key);
    await change(operator(), key);
    expect(await edit()).toBe(code);
  });

  it("is decided again after a change of the tenant's plan, of which only the budget knows", async () => {
    await operator().plans.put("free", { policy: {}, limits: {} });
    const edit = await isolate(await seedTenant("acme", { plan: "free" }));
    await operator().plans.put("free", { policy: { features: [] }, limits: {} });
    expect(await edit()).toBe("feature_not_allowed");
  });

  it("reserves nothing and takes no call when it is refused", async () => {
    const key = await seedTenant("acme");
    const edit = await isolate(key);
    const before = await env.LEDGER.getByName("acme").usage();
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, suspended: true });
    await edit();
    expect(await env.LEDGER.getByName("acme").usage()).toEqual(before);
  });
});
