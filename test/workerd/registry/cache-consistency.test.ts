import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { IssuerSettings } from "../../../src/core/auth/rules/issuer-document.ts";
import type { UpstreamSettings } from "../../../src/core/shared/admin-documents.ts";
import type { Result } from "../../../src/core/shared/result.ts";
import { TENANT_SETTINGS as tenant } from "../support/worker.ts";

const CACHE_SECONDS = 10;
const encryption = createFieldEncryption([{ id: "m1", bytes: new Uint8Array(32).fill(1) }] as unknown as KeyRing);

/** Records which sessions are started on the database, and delays results on demand. */
function observe(db: D1Database) {
  const sessions: (string | undefined)[] = [];
  let gate: Promise<void> | undefined;
  const observed = new Proxy(db, {
    get(target, property) {
      if (property !== "withSession") return Reflect.get(target, property, target);
      return (constraint?: string) => {
        sessions.push(constraint);
        const session = target.withSession(constraint);
        const held = gate;
        if (!held) return session;
        return {
          prepare: (sql: string) => ({
            bind: (...values: unknown[]) => ({
              async first() {
                const row = await session
                  .prepare(sql)
                  .bind(...values)
                  .first();
                await held;
                return row;
              },
            }),
          }),
        };
      };
    },
  });
  return {
    db: observed,
    sessions,
    /** Delays the results of later queries until the returned function is called. */
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return () => {
        gate = undefined;
        resolve();
      };
    },
  };
}

/** The registries of one more isolate on the same database, with a manual clock. */
function isolate(cacheSeconds = CACHE_SECONDS) {
  let time = 1_000_000;
  const now = () => time;
  const { db, sessions, hold } = observe(env.DB);
  const registry = createRegistry(db, { registryCacheSeconds: cacheSeconds }, encryption, now);
  const store = createAdminRegistry(env.DB, encryption, now, {
    onWrite: (bookmark) => registry.invalidate(bookmark),
    onPlanChanged: async () => 0,
    onTenantChanged: async () => {},
  });
  return { registry, store, sessions, hold, pass: (seconds: number) => void (time += seconds * 1000) };
}

type Isolate = ReturnType<typeof isolate>;

const upstream: UpstreamSettings = {
  accountId: "account",
  apiBase: "https://api.example",
  uploadHosts: ["up.example"],
  credential: { kind: "token", token: "very-secret" },
};
const issuer: IssuerSettings = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  algorithms: ["RS256"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { claim: "org" },
  subject: { claim: "sub" },
  scopes: ["uploads:create"],
  maxGrantSeconds: 60,
};

const codeOf = (result: Result<unknown>) => (result.ok ? "ok" : result.problem.code);

async function drain({ registry }: Isolate): Promise<void> {
  for (let index = 0; ; index++) {
    if (!(await registry.tenant(`made-up-${index}`)).ok) return;
    if (index > 1_000) throw new Error("Lookups are not limited.");
  }
}

describe("the cached registry under lookups of made-up names", () => {
  it("reads a known tenant again after its cache entry expires", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", tenant);
    expect(codeOf(await here.registry.tenant("acme"))).toBe("ok");
    here.pass(CACHE_SECONDS);
    await drain(here);
    expect(await here.registry.tenant("acme")).toMatchObject({ ok: true, value: { id: "acme" } });
  });

  it("reads a known tenant again after a change through the same isolate", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", tenant);
    await here.registry.tenant("acme");
    await drain(here);
    await here.store.tenants.put("acme", { ...tenant, suspended: true });
    expect(await here.registry.tenant("acme")).toMatchObject({ ok: true, value: { suspended: true } });
  });

  it("serves known tenants and limits other names when the cache lifetime is 0", async () => {
    const here = isolate(0);
    await here.store.tenants.put("acme", tenant);
    await here.registry.tenant("acme");
    await drain(here);
    expect(codeOf(await here.registry.tenant("acme"))).toBe("ok");
    expect(codeOf(await here.registry.tenant("another"))).toBe("registry_busy");
  });

  it("starts at most as many concurrent lookups as the limiter allows", async () => {
    const here = isolate();
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, index) => here.registry.tenant(`made-up-${index}`)),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(200);
    expect(here.sessions).toHaveLength(200);
  });

  it.each(["", "Acme", "-a", "a_b", "a".repeat(33), "acme ", "__proto__", "a\u0000b", "../x"])(
    "does not query the database for %j, which is no tenant id",
    async (name) => {
      const here = isolate();
      expect(await here.registry.tenant(name)).toEqual({ ok: true, value: undefined });
      expect(here.sessions).toEqual([]);
    },
  );

  it.each(["", "x".repeat(501), "\ud800", "a\u0000b", "ü"])(
    "does not query the database for %j, which is no issuer",
    async (iss) => {
      const here = isolate();
      expect(await here.registry.issuers(iss)).toEqual({ ok: true, value: [] });
      expect(here.sessions).toEqual([]);
    },
  );
});

describe("a change through one isolate", () => {
  it("is visible in that isolate immediately, even with a lookup in progress", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", tenant);
    const open = here.hold();
    const pending = here.registry.tenant("acme");
    // Makes sure that the row is read before it is changed.
    await env.DB.prepare("SELECT 1").first();
    await here.store.tenants.put("acme", { ...tenant, suspended: true });
    open();
    expect(await pending).toMatchObject({ ok: true, value: { suspended: false } });
    expect(await here.registry.tenant("acme")).toMatchObject({ ok: true, value: { suspended: true } });
  });

  it("is visible in that isolate immediately for issuers and upstreams", async () => {
    const { registry, store } = isolate();
    await store.tenants.put("acme", tenant);
    await store.upstreams.put("eu", upstream);
    await store.issuers.put("idp", issuer);
    expect(await registry.issuers(issuer.issuer)).toMatchObject({ value: [{ id: "idp" }] });
    expect(await registry.upstream("eu")).toMatchObject({ value: { id: "eu" } });
    await store.issuers.delete("idp");
    await store.upstreams.delete("eu");
    expect(await registry.issuers(issuer.issuer)).toEqual({ ok: true, value: [] });
    expect(await registry.upstream("eu")).toEqual({ ok: true, value: undefined });
  });

  it("is read from a replica with its bookmark, or from the primary without the cache", async () => {
    const { registry, store, sessions } = isolate();
    await store.tenants.put("acme", tenant);
    await registry.tenant("acme");
    await registry.uncached.tenant("acme");
    expect(sessions).toEqual([expect.stringMatching(/^[0-9a-f]+-/), "first-primary"]);
  });

  it("is never read from a replica with an older bookmark", async () => {
    const { registry, store, sessions } = isolate();
    await registry.tenant("acme");
    expect(sessions).toEqual(["first-unconstrained"]);
    registry.invalidate("00000002-b");
    registry.invalidate("00000001-a");
    registry.invalidate(null);
    await registry.tenant("acme");
    expect(sessions.at(-1)).toBe("00000002-b");
    await store.tenants.put("acme", tenant);
    expect(codeOf(await registry.tenant("acme"))).toBe("ok");
  });

  it("is visible in other isolates after the cache lifetime: tenants, upstreams and issuers", async () => {
    const here = isolate();
    const there = isolate();
    await here.store.tenants.put("acme", tenant);
    await here.store.upstreams.put("eu", upstream);
    await there.registry.tenant("acme");
    await there.registry.upstream("eu");
    expect(await there.registry.issuers("https://idp.example/")).toEqual({ ok: true, value: [] });

    await here.store.tenants.delete("acme");
    await here.store.upstreams.delete("eu");
    await here.store.issuers.put("idp", issuer);
    const seenThere = async () => [
      (await there.registry.tenant("acme")).ok && (await there.registry.tenant("acme")),
      await there.registry.upstream("eu"),
      await there.registry.issuers("https://idp.example/"),
    ];
    there.pass(CACHE_SECONDS - 0.001);
    expect(await seenThere()).toMatchObject([{ value: { id: "acme" } }, { value: { id: "eu" } }, { value: [] }]);
    there.pass(0.001);
    expect(await seenThere()).toMatchObject([
      { ok: true, value: undefined },
      { ok: true, value: undefined },
      { ok: true, value: [{ id: "idp", tenant: { kind: "claim", claim: "org" } }] },
    ]);
  });
});

describe("an unreadable registry", () => {
  it("caches an unreadable tenant until it is written again", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", { ...tenant, policy: { upload: { maxBytes: "many" } } });
    expect(codeOf(await here.registry.tenant("acme"))).toBe("registry_unavailable");
    const queries = here.sessions.length;
    expect(codeOf(await here.registry.tenant("acme"))).toBe("registry_unavailable");
    expect(here.sessions).toHaveLength(queries);
    await here.store.tenants.put("acme", tenant);
    expect(codeOf(await here.registry.tenant("acme"))).toBe("ok");
  });

  it.each([
    ["policy", "not JSON"],
    ["limits", '{"pending":-1}'],
    ["limits", "["],
  ])("returns registry_unavailable for a tenant with the %s %j", async (column, text) => {
    const here = isolate();
    await here.store.tenants.put("acme", tenant);
    await env.DB.prepare(`UPDATE tenants SET ${column} = ?`).bind(text).run();
    expect(codeOf(await here.registry.tenant("acme"))).toBe("registry_unavailable");
  });

  it("returns registry_unavailable for a credential whose API base was changed in the database", async () => {
    const here = isolate();
    await here.store.upstreams.put("eu", upstream);
    expect(await here.registry.upstream("eu")).toMatchObject({
      ok: true,
      value: { credential: { token: "very-secret" } },
    });
    await env.DB.prepare("UPDATE upstreams SET api_base = 'https://evil.example'").run();
    here.registry.invalidate();
    const found = await here.registry.upstream("eu");
    expect(codeOf(found)).toBe("registry_unavailable");
    expect(JSON.stringify(found)).not.toContain("very-secret");
  });

  it("queries the database again after a failure", async () => {
    const here = isolate();
    await here.store.tenants.put("acme", tenant);
    await env.DB.exec("ALTER TABLE tenants RENAME TO elsewhere");
    for (let index = 0; index < 300; index++)
      expect(codeOf(await here.registry.tenant("acme"))).toBe("registry_unavailable");
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO tenants");
    expect(codeOf(await here.registry.tenant("acme"))).toBe("ok");
  });
});
