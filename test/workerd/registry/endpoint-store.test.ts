import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import type { EndpointSettings } from "../../../src/core/shared/admin-documents.ts";
import { type Endpoint, REPLACED_SECRET_LIFETIME_MS } from "../../../src/core/webhooks/rules/endpoint.ts";
import type { Registry } from "../../../src/core/ports/registry.ts";
import { TENANT_SETTINGS } from "../support/worker.ts";

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);
const MAIN = { url: "https://hooks.acme.com/sluice" };

/** The cached and the admin registry of one isolate, with a manual clock and the notifications sent to the ledger. */
function isolate() {
  let time = Date.now();
  const now = () => time;
  const notified: [tenant: string, hasEndpoints: boolean][] = [];
  const versions: number[] = [];
  const registry = createRegistry(env.DB, config, encryption, now);
  const store = createAdminRegistry(env.DB, encryption, now, {
    onWrite: () => registry.invalidate(),
    onPlanChanged: async () => 0,
    onTenantChanged: async (tenant, version, hasEndpoints) => {
      notified.push([tenant, hasEndpoints]);
      versions.push(version);
    },
  });
  const seconds = () => Math.floor(time / 1000);
  return { registry, store, notified, versions, seconds, pass: (milliseconds: number) => (time += milliseconds) };
}

const NEW: EndpointSettings = { url: MAIN.url, disabled: false };

async function endpointsOf({ registry }: { readonly registry: Registry }): Promise<readonly Endpoint[]> {
  const found = await registry.endpoints("acme");
  if (!found.ok) throw new Error(found.problem.detail);
  return found.value;
}

describe("the endpoint store", () => {
  it("seals the secrets of an endpoint to its tenant, id and URL", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    expect(await endpointsOf(here)).toEqual([]);
    await here.store.endpoints.put("acme", "main", { ...NEW, events: ["upload.ready"] }, "whsec_one");
    expect(await endpointsOf(here)).toEqual([
      {
        id: "main",
        tenant: "acme",
        url: MAIN.url,
        events: new Set(["upload.ready"]),
        secrets: ["whsec_one"],
        disabled: false,
        created: here.seconds(),
        slow: false,
      },
    ]);
    const sealed = (await env.DB.prepare("SELECT sealed_secrets FROM endpoints").first<string>("sealed_secrets")) ?? "";
    expect(sealed).not.toContain("whsec_one");
    expect(await encryption.open(sealed, `endpoint:acme/main ${MAIN.url}`)).toContain("whsec_one");

    for (const change of ["url = 'https://evil.example/'", "id = 'other'"]) {
      await env.DB.exec(`UPDATE endpoints SET ${change}`);
      here.registry.invalidate();
      expect(
        (await endpointsOf(here)).map(({ secrets }) => secrets),
        change,
      ).toEqual([[]]);
      await env.DB.exec(`UPDATE endpoints SET url = '${MAIN.url}', id = 'main'`);
    }
  });

  it("stores event types that version 0.1 cannot read where it does not look", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    const events = ["upload.ready", "upload.updated"] as const;
    for (const [id, names] of [
      ["both", events],
      ["one", ["upload.updated"]],
    ] as const)
      await here.store.endpoints.put("acme", id, { ...NEW, events: [...names] }, "whsec_one");
    expect((await here.store.endpoints.list("acme")).map(({ events }) => events)).toEqual([events, ["upload.updated"]]);
    expect((await endpointsOf(here)).map(({ events }) => [...(events ?? [])])).toEqual([events, ["upload.updated"]]);
    const { results } = await env.DB.prepare("SELECT events FROM endpoints ORDER BY id").all();
    expect(results).toEqual([{ events: '["upload.ready"]' }, { events: "[]" }]);
    await here.store.endpoints.put("acme", "both", NEW, "whsec_one");
    expect((await here.store.endpoints.get("acme", "both"))?.events).toBeUndefined();
  });

  it("keeps the secret when an endpoint is put again, also with another URL", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    expect(await here.store.endpoints.put("acme", "main", NEW, "whsec_one")).toMatchObject({
      ok: true,
      value: { secret: "whsec_one" },
    });
    const moved = await here.store.endpoints.put("acme", "main", { ...NEW, url: "https://new.acme.com/" }, "whsec_two");
    expect(moved.ok).toBe(true);
    expect(moved).not.toHaveProperty("value.secret");
    expect(await endpointsOf(here)).toMatchObject([{ url: "https://new.acme.com/", secrets: ["whsec_one"] }]);
  });

  it("sets a new secret when the stored one cannot be decrypted", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
    await env.DB.exec("UPDATE endpoints SET sealed_secrets = 'v1.lost.AAAA'");
    expect(await here.store.endpoints.put("acme", "main", NEW, "whsec_two")).toMatchObject({
      ok: true,
      value: { secret: "whsec_two" },
    });
    expect(await endpointsOf(here)).toMatchObject([{ secrets: ["whsec_two"] }]);
  });

  it("returns two secrets for a day after a rotation, newest first", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
    await here.store.endpoints.rotateSecret("acme", "main", "whsec_two");
    expect(await endpointsOf(here)).toMatchObject([{ secrets: ["whsec_two", "whsec_one"] }]);
    here.pass(REPLACED_SECRET_LIFETIME_MS);
    expect(await endpointsOf(here)).toMatchObject([{ secrets: ["whsec_two"] }]);
    expect(await here.store.endpoints.rotateSecret("acme", "none", "whsec_three")).toMatchObject({
      ok: false,
      problem: { code: "not_found" },
    });
  });

  it("caches endpoints, unless the uncached registry is used", async () => {
    const here = isolate();
    const there = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
    expect(await endpointsOf(there)).toHaveLength(1);
    await here.store.endpoints.delete("acme", "main");
    expect(await endpointsOf(there)).toHaveLength(1);
    expect(await there.registry.uncached.endpoints("acme")).toEqual({ ok: true, value: [] });
    expect(await endpointsOf(there)).toEqual([]);
  });

  it("notifies the ledger whether the tenant has endpoints, with increasing versions", async () => {
    const { store, notified, versions } = isolate();
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.put("acme", "main", NEW, "whsec_one");
    await store.endpoints.put("acme", "second", NEW, "whsec_two");
    await store.endpoints.delete("acme", "main");
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.delete("acme", "second");
    await store.endpoints.put("acme", "main", NEW, "whsec_one");
    await store.tenants.delete("acme");
    expect(notified.map(([, hasEndpoints]) => hasEndpoints)).toEqual([
      false,
      true,
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
  });

  it("rejects a put during which the secret was rotated, and keeps that secret", async () => {
    const { store } = isolate();
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.put("acme", "main", NEW, "whsec_zero");
    const slow = createAdminRegistry(
      env.DB,
      {
        ...encryption,
        async seal(text, context) {
          await store.endpoints.rotateSecret("acme", "main", "whsec_one");
          return encryption.seal(text, context);
        },
      },
      Date.now,
      { onWrite: () => {}, onPlanChanged: async () => 0, onTenantChanged: async () => {} },
    );
    expect(await slow.endpoints.put("acme", "main", { ...NEW, description: "Another" }, "")).toMatchObject({
      ok: false,
      problem: { code: "conflict" },
    });
    expect(await endpointsOf(isolate())).toMatchObject([{ secrets: ["whsec_one", "whsec_zero"] }]);
  });

  it("reports a conflict for every concurrent rotation that was not stored", async () => {
    const { store } = isolate();
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.put("acme", "main", NEW, "whsec_zero");
    const rotations = await Promise.all(
      ["a", "b", "c"].map((name) => store.endpoints.rotateSecret("acme", "main", name)),
    );
    expect(rotations.filter(({ ok }) => ok).length).toBeGreaterThanOrEqual(1);
    const [endpoint] = await endpointsOf(isolate());
    const taken = ["a", "b", "c"].filter((_, index) => rotations[index]?.ok);
    expect([...(endpoint?.secrets ?? [])].toSorted()).toEqual([...taken, "whsec_zero"].toSorted());
  });
});

describe("the health of an endpoint", () => {
  it("is recorded for the URL of the delivery, and reset when the URL changes", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
    const [endpoint] = await endpointsOf(here);
    if (!endpoint) throw new Error("There is no endpoint.");
    const { health } = here.store;
    const now = () => endpointsOf({ registry: here.registry.uncached });

    await health.markFailing(endpoint, 1_000);
    await health.markFailing(endpoint, 2_000);
    expect(await now()).toMatchObject([{ failingSince: 1_000 }]);
    await here.store.endpoints.put("acme", "main", NEW, "");
    expect(await now()).toMatchObject([{ failingSince: 1_000 }]);
    await health.markWorking(endpoint, true);
    expect((await now())[0]).not.toHaveProperty("failingSince");
    expect(await now()).toMatchObject([{ slow: true }]);
    await health.markWorking(endpoint, false);
    expect(await now()).toMatchObject([{ slow: false }]);

    await health.markFailing(endpoint, 1_000);
    await health.disable(endpoint, "it failed for days");
    expect(await now()).toMatchObject([{ disabled: true, failingSince: 1_000 }]);
    await here.store.endpoints.put("acme", "main", NEW, "");
    const [enabled] = await now();
    expect(enabled?.disabled).toBe(false);
    expect(enabled).not.toHaveProperty("failingSince");

    await here.store.endpoints.put("acme", "main", { ...NEW, url: "https://new.acme.com/" }, "");
    await health.markFailing(endpoint, 1_000);
    await health.disable(endpoint, "it failed for days");
    const [moved] = await now();
    expect(moved?.disabled).toBe(false);
    expect(moved).not.toHaveProperty("failingSince");
  });

  it("invalidates the cache only when the endpoint is disabled", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", TENANT_SETTINGS);
    await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
    const [endpoint] = await endpointsOf(here);
    if (!endpoint) throw new Error("There is no endpoint.");
    await here.registry.tenant("acme");
    await env.DB.exec("UPDATE tenants SET suspended = 1");

    await here.store.health.markFailing(endpoint, 1_000);
    await here.store.health.markWorking(endpoint, true);
    expect(await here.registry.tenant("acme")).toMatchObject({ ok: true, value: { suspended: false } });
    await here.store.health.disable(endpoint, "it answered 410 Gone");
    expect(await endpointsOf(here)).toMatchObject([{ disabled: true }]);
  });
});
