import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createRegistryIndex } from "../../../src/adapters/d1/registry-index.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { ApiKeySettings } from "../../../src/core/shared/admin-documents.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";
import { TENANT_SETTINGS as tenant } from "../support/worker.ts";

const CACHE_SECONDS = 10;
const ring = [{ id: "m1", bytes: new Uint8Array(32).fill(1) }] as unknown as KeyRing;
const encryption = createFieldEncryption(ring);

/** The registries of one more isolate on the same database, with a manual clock. */
function isolate() {
  let time = 1_000_000;
  const now = () => time;
  const registry = createRegistry(env.DB, { registryCacheSeconds: CACHE_SECONDS }, encryption, now);
  const store = createAdminRegistry(env.DB, encryption, now, {
    onWrite: () => registry.invalidate(),
    onPlanChanged: async () => 0,
    onTenantChanged: async () => {},
  });
  return { registry, store, pass: (seconds: number) => (time += seconds * 1000) };
}

const HASH = new Uint8Array(32).fill(7);
const apiKey: ApiKeySettings = {
  name: "test",
  scopes: ["uploads:create", "a-scope-of-the-future" as "uploads:create"],
  expiresAt: 5,
};

describe("the cached registry", () => {
  it("returns stored tenants and keys as core types", async () => {
    const { registry, store } = isolate();
    await store.tenants.put("acme", {
      ...tenant,
      policy: { upload: { maxBytes: 5 } },
      limits: { pending: 3 },
      suspended: true,
    });
    await store.apiKeys.create("acme", "key1", HASH.toHex(), apiKey);
    expect(await registry.tenant("acme")).toMatchObject({
      ok: true,
      value: { id: "acme", limits: { pending: 3 }, suspended: true, policy: [{ upload: { maxBytes: 5 } }] },
    });
    expect(await registry.apiKey("key1")).toEqual({
      ok: true,
      value: {
        id: "key1",
        tenant: "acme",
        hash: HASH,
        scopes: new Set(["uploads:create"]),
        expiresAt: 5,
        revoked: false,
        version: expect.any(Number),
      },
    });
  });

  it("returns a key that another isolate revoked until its cache entry expires", async () => {
    const here = isolate();
    const there = isolate();
    await here.store.tenants.put("acme", tenant);
    await here.store.apiKeys.create("acme", "key1", HASH.toHex(), apiKey);
    const revokedThere = async () => {
      const key = await there.registry.apiKey("key1");
      return key.ok && key.value?.revoked;
    };
    expect(await revokedThere()).toBe(false);

    await here.store.apiKeys.revoke("acme", "key1");
    const key = await here.registry.apiKey("key1");
    expect(key.ok && key.value?.revoked).toBe(true);
    there.pass(CACHE_SECONDS - 0.001);
    expect(await revokedThere()).toBe(false);
    there.pass(0.001);
    expect(await revokedThere()).toBe(true);
  });

  it("limits lookups of made-up names, and still serves real ones", async () => {
    const { registry, store, pass } = isolate();
    await store.tenants.put("acme", tenant);
    await registry.tenant("acme");

    const flood = async (from: number, count: number) => {
      const codes = new Map<string, number>();
      for (let index = from; index < from + count; index++) {
        const found = await registry.tenant(`made-up-${index}`);
        const code = found.ok ? "looked up" : found.problem.code;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      return Object.fromEntries(codes);
    };
    expect(await flood(0, 300)).toEqual({ "looked up": 200, registry_busy: 100 });
    expect(await registry.tenant("acme")).toMatchObject({ ok: true, value: { id: "acme" } });
    expect(await flood(0, 200)).toEqual({ "looked up": 200 });
    pass(1);
    expect(await flood(1_000, 300)).toEqual({ "looked up": 50, registry_busy: 250 });
  });

  it("does not limit lookups of many existing tenants", { timeout: 20_000 }, async () => {
    const { registry, store } = isolate();
    await Promise.all(Array.from({ length: 300 }, (_, index) => store.tenants.put(`t${index}`, tenant)));
    for (let index = 0; index < 300; index++) expect((await registry.tenant(`t${index}`)).ok).toBe(true);
  });

  it("stores credentials sealed, and does not open them in another row", async () => {
    const { registry, store } = isolate();
    const credential = { kind: "token" as const, token: "very-secret" };
    await store.upstreams.put("eu", {
      accountId: "account",
      apiBase: "https://api.example",
      uploadHosts: ["up.example"],
      callsPerWindow: 7,
      maxUploadBytes: 50_000_000_000,
      credential,
    });
    const row = await env.DB.prepare("SELECT * FROM upstreams").first();
    expect(JSON.stringify(row)).not.toContain("very-secret");
    expect(await registry.upstream("eu")).toEqual({
      ok: true,
      value: {
        id: "eu",
        accountId: "account",
        apiBase: "https://api.example",
        uploadHosts: ["up.example"],
        callsPerWindow: 7,
        maxUploadBytes: 50_000_000_000,
        maxVideoSeconds: 36_000,
        webhookSecrets: [],
        credential,
      },
    });

    await env.DB.prepare(
      "INSERT INTO upstreams (id, account_id, api_base, upload_hosts, sealed_credential) SELECT 'us', account_id, api_base, upload_hosts, sealed_credential FROM upstreams",
    ).run();
    expect(await registry.upstream("us")).toMatchObject({ ok: false, problem: { code: "registry_unavailable" } });
  });

  it("returns registry_unavailable if the database fails or a policy cannot be read", async () => {
    const { registry, store } = isolate();
    await store.tenants.put("acme", { ...tenant, policy: { upload: { maxBytes: "many" } } });
    expect(await registry.tenant("acme")).toMatchObject({ ok: false, problem: { code: "registry_unavailable" } });
    await env.DB.exec("DROP TABLE issuers");
    expect(await registry.issuers("https://idp.example/")).toMatchObject({
      ok: false,
      problem: { code: "registry_unavailable" },
    });
  });
});

describe("the registry index", () => {
  it("lists the upstream of the environment first, among all and among those of its account", async () => {
    const { store } = isolate();
    const account = {
      apiBase: "https://api.example",
      uploadHosts: [],
      credential: { kind: "token", token: "t" },
    } as const;
    for (const id of ["eu", "us"]) await store.upstreams.put(id, { accountId: `account-${id}`, ...account });
    const directory = createRegistryIndex(env.DB, {
      defaultUpstream: { id: "default", accountId: "account-eu" } as Upstream,
    });
    expect(await directory.listUpstreamIds()).toEqual({ ok: true, value: ["default", "eu", "us"] });
    expect(await directory.listUpstreamIds("account-eu")).toEqual({ ok: true, value: ["default", "eu"] });
    expect(await directory.listUpstreamIds("account-us")).toEqual({ ok: true, value: ["us"] });
    expect(await createRegistryIndex(env.DB, {}).listUpstreamIds()).toEqual({ ok: true, value: ["eu", "us"] });
  });
});

describe("field encryption", () => {
  it("opens a text only with the same key and context", async () => {
    const sealed = await encryption.seal("secret", "upstream:a");
    expect(sealed).not.toContain("secret");
    expect(await encryption.open(sealed, "upstream:a")).toBe("secret");
    expect(await encryption.open(sealed, "upstream:b")).toBeUndefined();
    const other = createFieldEncryption([{ id: "m1", bytes: new Uint8Array(32).fill(2) }] as unknown as KeyRing);
    expect(await other.open(sealed, "upstream:a")).toBeUndefined();
  });

  it("never seals the same text twice alike, and opens texts of older keys in the ring", async () => {
    const old = await encryption.seal("secret", "p");
    expect(await encryption.seal("secret", "p")).not.toBe(old);
    const rotated = createFieldEncryption([
      { id: "m2", bytes: new Uint8Array(32).fill(2) },
      ...ring,
    ] as unknown as KeyRing);
    expect(await rotated.open(old, "p")).toBe("secret");
    expect((await rotated.seal("secret", "p")).startsWith("v1.m2.")).toBe(true);
  });

  it.each(["", "v1", "v1.m1", "v1.m1.", "v1.m1.AAAA", "v2.m1.AAAA", "v1.m9.AAAA", "v1.m1.*"])(
    "does not open %j",
    async (sealed) => {
      expect(await encryption.open(sealed, "p")).toBeUndefined();
    },
  );

  it("does not open a text with one changed character", async () => {
    const sealed = await encryption.seal("a secret", "p");
    for (let index = "v1.m1.".length; index < sealed.length - 1; index++) {
      const changed = `${sealed.slice(0, index)}${sealed[index] === "A" ? "B" : "A"}${sealed.slice(index + 1)}`;
      expect(await encryption.open(changed, "p"), `at ${index}`).toBeUndefined();
    }
  });
});
