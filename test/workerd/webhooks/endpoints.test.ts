import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import type { EndpointSettings } from "../../../src/core/shared/admin-documents.ts";
import {
  type Endpoint,
  MAX_ENDPOINTS_PER_TENANT,
  REPLACED_SECRET_LIFETIME_MS,
} from "../../../src/core/webhooks/rules/endpoint.ts";
import type { Registry } from "../../../src/core/ports/registry.ts";
import { TENANT_SETTINGS, asOperator, codeOf } from "../support/worker.ts";

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);
const MAIN = { url: "https://hooks.acme.com/sluice" };
const PATH = "/tenants/acme/endpoints/main";

/** The registry and its store, with a clock to turn, and what the ledger was told. */
function isolate() {
  let time = Date.now();
  const now = () => time;
  const told: [tenant: string, hasEndpoints: boolean][] = [];
  const versions: number[] = [];
  const registry = createRegistry(env.DB, config, encryption, now);
  const store = createAdminRegistry(env.DB, encryption, now, {
    onWrite: () => registry.invalidate(),
    onTenantChanged: async (tenant, version, hasEndpoints) => {
      told.push([tenant, hasEndpoints]);
      versions.push(version);
    },
  });
  return { registry, store, told, versions, pass: (milliseconds: number) => (time += milliseconds) };
}

const NEW: EndpointSettings = { url: MAIN.url, disabled: false };

async function endpointsOf({ registry }: { readonly registry: Registry }): Promise<readonly Endpoint[]> {
  const found = await registry.endpoints("acme");
  if (!found.ok) throw new Error(found.problem.detail);
  return found.value;
}

describe("an endpoint", () => {
  it("is created with a secret that is shown once, replaced as a whole, and deleted", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const created = await asOperator("PUT", PATH, { ...MAIN, description: "Ours", events: ["upload.ready"] });
    expect(created.status).toBe(201);
    expect(created.headers.get("cache-control")).toBe("no-store");
    const { secret, ...document } = await created.json<Record<string, unknown>>();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(document).toEqual({
      id: "main",
      ...MAIN,
      description: "Ours",
      events: ["upload.ready"],
      disabled: false,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await (await asOperator("GET", PATH)).json()).toEqual(document);

    const replaced = await asOperator("PUT", PATH, MAIN);
    expect(replaced.status).toBe(200);
    const after = await replaced.json<Record<string, unknown>>();
    for (const gone of ["secret", "description", "events"]) expect(after).not.toHaveProperty(gone);
    const listed = await (await asOperator("GET", "/tenants/acme/endpoints")).text();
    expect(JSON.parse(listed)).toMatchObject({ endpoints: [{ id: "main" }] });
    expect(listed).not.toContain("whsec_");

    expect((await asOperator("DELETE", PATH)).status).toBe(204);
    expect(await codeOf(asOperator("DELETE", PATH))).toBe("not_found");
    expect(await codeOf(asOperator("GET", PATH))).toBe("not_found");
    expect(await (await asOperator("GET", "/tenants/acme/endpoints")).json()).toEqual({ endpoints: [] });
  });

  it.each([
    {},
    { url: "http://hooks.acme.com/" },
    { url: "https://hooks.acme.com:8443/" },
    { url: "https://10.0.0.1/" },
    { url: "https://0xa.1/" },
    { url: "https://db.internal/" },
    { ...MAIN, events: [] },
    { ...MAIN, events: ["upload.everything"] },
    { ...MAIN, events: ["upload.ready", "upload.ready"] },
    { ...MAIN, description: "" },
    { ...MAIN, disabled: "yes" },
    { ...MAIN, secret: "whsec_AAAA" },
    [],
  ])("is not %j", async (body) => {
    await asOperator("PUT", "/tenants/acme", {});
    expect(await codeOf(asOperator("PUT", PATH, body))).toBe("body_invalid");
    expect(await codeOf(asOperator("GET", PATH))).toBe("not_found");
  });

  it("belongs to a tenant that is there, and goes with it", async () => {
    expect(await codeOf(asOperator("PUT", PATH, MAIN))).toBe("not_found");
    expect(await codeOf(asOperator("GET", "/tenants/acme/endpoints"))).toBe("not_found");
    await asOperator("PUT", "/tenants/acme", {});
    await asOperator("PUT", "/tenants/other", {});
    await asOperator("PUT", PATH, MAIN);
    for (const [method, path] of [
      ["GET", "/tenants/other/endpoints/main"],
      ["DELETE", "/tenants/other/endpoints/main"],
      ["POST", "/tenants/other/endpoints/main/rotate"],
    ] as const)
      expect(await codeOf(asOperator(method, path)), method).toBe("not_found");
    await asOperator("DELETE", "/tenants/acme");
    expect(await env.DB.prepare("SELECT count(*) AS n FROM endpoints").first("n")).toBe(0);
  });

  it("has a limited number of siblings", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    for (let index = 0; index < MAX_ENDPOINTS_PER_TENANT; index++)
      expect((await asOperator("PUT", `/tenants/acme/endpoints/e${index}`, MAIN)).status).toBe(201);
    expect(await codeOf(asOperator("PUT", PATH, MAIN))).toBe("conflict");
    expect((await asOperator("PUT", "/tenants/acme/endpoints/e0", MAIN)).status).toBe(200);
  });

  it.each([
    ["PATCH", PATH, "DELETE, GET, HEAD, PUT"],
    ["POST", "/tenants/acme/endpoints", "GET, HEAD"],
    ["GET", `${PATH}/rotate`, "POST"],
    ["POST", "/tenants/acme/events", "GET, HEAD"],
    ["DELETE", "/tenants/acme/events/e1", "GET, HEAD"],
    ["GET", "/tenants/acme/events/e1/redeliver", "POST"],
    ["DELETE", "/audit", "GET, HEAD"],
  ])("has no %s %s", async (method, path, allow) => {
    const answer = await asOperator(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe(allow);
  });

  it("is disabled and enabled by the operator, who then sees when and why it was", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    await asOperator("PUT", PATH, { ...MAIN, disabled: true });
    const first = await (await asOperator("GET", PATH)).json<Record<string, string>>();
    expect(first).toMatchObject({ disabled: true, disabledReason: "the operator disabled it" });
    const second = await (await asOperator("PUT", PATH, { ...MAIN, disabled: true })).json<Record<string, string>>();
    expect(second["disabledAt"]).toBe(first["disabledAt"]);
    const enabled = await (await asOperator("PUT", PATH, { ...MAIN, disabled: false })).json();
    expect(enabled).toMatchObject({ disabled: false });
    expect(enabled).not.toHaveProperty("disabledAt");
    expect(enabled).not.toHaveProperty("disabledReason");
  });
});

describe("the registry", () => {
  it("gives endpoints with what they are signed with, and stores that sealed to tenant, id and URL", async () => {
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

  it("keeps the secret when the endpoint is put anew, also with another URL", async () => {
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

  it("gives a fresh secret to an endpoint whose own does not open any more", async () => {
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

  it("has two secrets for a day after a rotation, the newest first", async () => {
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

  it("caches endpoints, and looks past the cache where it is asked to", async () => {
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

  it("tells the ledger whether the tenant has endpoints, under a version that grows", async () => {
    const { store, told, versions } = isolate();
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.put("acme", "main", NEW, "whsec_one");
    await store.endpoints.put("acme", "second", NEW, "whsec_two");
    await store.endpoints.delete("acme", "main");
    await store.tenants.put("acme", TENANT_SETTINGS);
    await store.endpoints.delete("acme", "second");
    await store.endpoints.put("acme", "main", NEW, "whsec_one");
    await store.tenants.delete("acme");
    expect(told.map(([, hasEndpoints]) => hasEndpoints)).toEqual([false, true, true, true, true, false, true, false]);
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
  });

  it("keeps a secret that was rotated while the endpoint was put anew", async () => {
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
      { onWrite: () => {}, onTenantChanged: async () => {} },
    );
    expect(await slow.endpoints.put("acme", "main", { ...NEW, description: "Another" }, "")).toMatchObject({
      ok: false,
      problem: { code: "conflict" },
    });
    expect(await endpointsOf(isolate())).toMatchObject([{ secrets: ["whsec_one", "whsec_zero"] }]);
  });

  it("of changes at the same time, takes one and says so of the others", async () => {
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

it("an endpoint's health is noted for the URL that it was seen with, and begins anew with another", async () => {
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
  await health.markRecovered(endpoint);
  expect((await now())[0]).not.toHaveProperty("failingSince");

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

it("a delivery that fails or succeeds again leaves what is cached as it is; what disables an endpoint is seen at once", async () => {
  const here = isolate();
  await here.store.tenants.put("acme", TENANT_SETTINGS);
  await here.store.endpoints.put("acme", "main", NEW, "whsec_one");
  const [endpoint] = await endpointsOf(here);
  if (!endpoint) throw new Error("There is no endpoint.");
  await here.registry.tenant("acme");
  await env.DB.exec("UPDATE tenants SET suspended = 1");

  await here.store.health.markFailing(endpoint, 1_000);
  await here.store.health.markRecovered(endpoint);
  expect(await here.registry.tenant("acme")).toMatchObject({ ok: true, value: { suspended: false } });
  await here.store.health.disable(endpoint, "it answered 410 Gone");
  expect(await endpointsOf(here)).toMatchObject([{ disabled: true }]);
});
