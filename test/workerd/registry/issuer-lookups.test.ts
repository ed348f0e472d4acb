import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import type { KeyRing } from "../../../src/config.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import type { IssuerSettings } from "../../../src/core/auth/rules/issuer-document.ts";
import type { Result } from "../../../src/core/shared/result.ts";

const CACHE_SECONDS = 10;
const encryption = createFieldEncryption([{ id: "m1", bytes: new Uint8Array(32).fill(1) }] as unknown as KeyRing);

const exact: IssuerSettings = {
  issuer: "https://login.example/special/v2.0",
  audiences: ["api"],
  keys: { jwksUrl: "https://login.example/keys" },
  tenant: { claim: "org" },
  subject: { claim: "sub" },
  scopes: ["uploads:create"],
  maxGrantSeconds: 60,
};
const template: IssuerSettings = {
  ...exact,
  issuer: "https://login.example/{tenant}/v2.0",
  issuerPart: "tid",
  tenant: { claim: "tid", map: { abc: "acme" } },
};
const withHeader: IssuerSettings = { ...exact, issuer: "https://access.example", header: "cf-access-jwt-assertion" };

/** The registries of one more isolate on the same database, with a manual clock, and the number of its queries. */
function isolate() {
  let time = 1_000_000;
  let queries = 0;
  const now = () => time;
  const db = new Proxy(env.DB, {
    get(target, property) {
      if (property === "withSession") queries++;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const registry = createRegistry(db, { registryCacheSeconds: CACHE_SECONDS }, encryption, now);
  const store = createAdminRegistry(env.DB, encryption, now, {
    onWrite: (bookmark) => registry.invalidate(bookmark),
    onPlanChanged: async () => 0,
    onTenantChanged: async () => {},
  });
  return { registry, store, queries: () => queries, pass: (seconds: number) => void (time += seconds * 1000) };
}

async function seeded() {
  const here = isolate();
  await here.store.issuers.put("exact", exact);
  await here.store.issuers.put("template", template);
  await here.store.issuers.put("access", withHeader);
  return here;
}

const idsOf = async (found: Promise<Result<readonly Issuer[]>>) => {
  const issuers = await found;
  return issuers.ok ? issuers.value.map(({ id }) => id) : issuers.problem.code;
};

describe("issuers of an iss", () => {
  it.each<[string, string[]]>([
    ["https://login.example/special/v2.0", ["exact", "template"]],
    ["https://login.example/abc/v2.0", ["template"]],
    ["https://login.example/A.b_c-9/v2.0", ["template"]],
    [`https://login.example/${"a".repeat(64)}/v2.0`, ["template"]],
    [`https://login.example/${"a".repeat(65)}/v2.0`, []],
    ["https://login.example//v2.0", []],
    ["https://login.example/a/b/v2.0", []],
    ["https://login.example/a%2fb/v2.0", []],
    ["https://login.example/abc/v2.0/", []],
    ["https://login.example/v2.0", []],
    ["https://LOGIN.example/abc/v2.0", []],
    ["https://login.example/{tenant}/v2.0", []],
    ["https://access.example", ["access"]],
    ["https://other.example", []],
  ])("%s", async (iss, ids) => {
    const { registry } = await seeded();
    expect(await idsOf(registry.issuers(iss))).toEqual(ids);
    expect(await idsOf(registry.uncached.issuers(iss))).toEqual(ids);
  });

  it("are one look-up for all directories, however many are made up", async () => {
    const { registry, queries } = await seeded();
    for (let index = 0; index < 300; index++)
      expect(await idsOf(registry.issuers(`https://login.example/d${index}/v2.0`))).toEqual(["template"]);
    expect(queries()).toBe(1);
    expect(await idsOf(registry.issuers("https://access.example"))).toEqual(["access"]);
  });

  it("are looked up without those that only begin like a template", async () => {
    const { store } = await seeded();
    await store.issuers.put("hosts", { ...template, issuer: "https://{tenant}.login.example/" });
    await store.issuers.put("host", { ...exact, issuer: "https://abc.login.example/" });
    let read = 0;
    const db = {
      withSession: () => ({
        prepare: (sql: string) => ({
          all: async () => {
            const answer = await env.DB.prepare(sql).all();
            read += answer.results.length;
            return answer;
          },
        }),
      }),
    };
    const registry = createRegistry(db as unknown as D1Database, { registryCacheSeconds: 1 }, encryption, Date.now);
    expect(await idsOf(registry.issuers("https://abc.login.example/"))).toEqual(["host", "hosts"]);
    for (let index = 0; index < 9; index++)
      await store.issuers.put(`other-${index}`, { ...exact, issuer: `https://idp.example/${index}` });
    expect(await idsOf(registry.uncached.issuers("https://abc.login.example/"))).toEqual(["host", "hosts"]);
    // Twice these two, the template of the other tests with its own exact issuer, and the one with a header.
    expect(read).toBe(2 * 5);
  });

  it("are read from the cache until it expires", async () => {
    const here = await seeded();
    const there = isolate();
    const iss = "https://login.example/abc/v2.0";
    expect(await idsOf(there.registry.issuers(iss))).toEqual(["template"]);
    await here.store.issuers.delete("template");
    expect(await idsOf(here.registry.issuers(iss))).toEqual([]);
    expect(await idsOf(there.registry.issuers(iss))).toEqual(["template"]);
    expect(await idsOf(there.registry.uncached.issuers(iss))).toEqual([]);
    there.pass(CACHE_SECONDS);
    expect(await idsOf(there.registry.issuers(iss))).toEqual([]);
  });

  it("reach the core as they were put", async () => {
    const { registry, store } = isolate();
    await store.issuers.put("full", {
      ...template,
      audiences: ["a", "b"],
      authorizedParties: ["web"],
      tenant: { claim: "tid", map: JSON.parse('{"__proto__":"acme"}'), transform: "slug" },
      subject: { claim: ["oid", "sub"], namespace: "people" },
      scopes: { claim: "roles", map: { w: ["uploads:create"] } },
      require: { email_verified: true, amr: ["mfa", 2] },
      header: "x-token",
    });
    const found = await registry.issuers("https://login.example/abc/v2.0");
    const map: unknown = JSON.parse('{"__proto__":"acme"}');
    expect(found).toEqual({
      ok: true,
      value: [
        {
          id: "full",
          iss: template.issuer,
          issuerPart: "tid",
          audiences: ["a", "b"],
          authorizedParties: ["web"],
          anyAudience: false,
          algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
          keys: { kind: "jwks-url", url: "https://login.example/keys" },
          tenant: { kind: "claim", claim: "tid", map, transform: "slug" },
          subject: { claims: ["oid", "sub"], namespace: "people" },
          scopes: { kind: "claim", claim: "roles", map: { w: ["uploads:create"] } },
          require: [
            ["email_verified", [true]],
            ["amr", ["mfa", 2]],
          ],
          header: "x-token",
          maxGrantSeconds: 60,
        },
      ],
    });
  });

  it.each<[string, string[]]>([
    ["one", ["s".repeat(32)]],
    ["two", ["s".repeat(32), "t".repeat(32)]],
  ])("have %s of their secrets", async (_, secrets) => {
    const { registry, store } = isolate();
    await store.issuers.put("shared", { ...exact, keys: { secrets } });
    expect(await registry.issuers(exact.issuer)).toMatchObject({
      value: [
        {
          id: "shared",
          algorithms: ["HS256", "HS384", "HS512"],
          keys: { kind: "secrets", secrets: secrets.map((text) => new TextEncoder().encode(text)) },
          subject: { claims: ["sub"], namespace: "shared" },
        },
      ],
    });
  });
});

describe("issuers that name a header", () => {
  it("are found by one cached look-up, which templates share", async () => {
    const { registry, queries } = await seeded();
    expect(await idsOf(registry.issuersWithHeader())).toEqual(["access"]);
    expect(await idsOf(registry.issuersWithHeader())).toEqual(["access"]);
    await registry.issuers("https://login.example/abc/v2.0");
    expect(queries()).toBe(1);
  });

  it("are none without a document that names one", async () => {
    const { registry, store } = isolate();
    expect(await idsOf(registry.issuersWithHeader())).toEqual([]);
    await store.issuers.put("exact", exact);
    expect(await idsOf(registry.issuersWithHeader())).toEqual([]);
  });

  it("do not keep out the tokens of others if one of them cannot be read", async () => {
    const here = await seeded();
    await here.store.issuers.put("sealed", {
      ...withHeader,
      issuer: "https://b.example",
      keys: { secrets: ["s".repeat(32)] },
    });
    await env.DB.prepare("UPDATE issuers SET sealed_secret = 'v1.m9.AAAA' WHERE id = 'sealed'").run();
    expect(await idsOf(here.registry.issuersWithHeader())).toEqual(["access"]);
    expect(await idsOf(here.registry.issuers("https://login.example/abc/v2.0"))).toEqual(["template"]);
    expect(await idsOf(here.registry.issuers("https://b.example"))).toBe("registry_unavailable");
  });
});

describe("the look-up of issuers with a header or a part that varies", () => {
  it("reads only these, however many others there are", async () => {
    const { registry } = await seeded();
    const insert = env.DB.prepare(
      `INSERT INTO issuers (id, iss, audience, algorithms, jwks_url, tenant_claim, subject_claim, scopes)
       VALUES (?, ?, 'a', '[]', 'https://a.example', 'org', 'sub', '["uploads:create"]')`,
    );
    await env.DB.batch(
      Array.from({ length: 500 }, (_, index) => insert.bind(`i${index}`, `https://i${index}.example`)),
    );
    const rowsRead: number[] = [];
    const db = new Proxy(env.DB, {
      get: (target, property) =>
        property === "withSession"
          ? () => ({
              prepare: (sql: string) => ({
                async all() {
                  const found = await target.prepare(sql).all();
                  rowsRead.push(found.meta.rows_read);
                  return found;
                },
              }),
            })
          : Reflect.get(target, property, target),
    });
    const measured = createRegistry(db, { registryCacheSeconds: CACHE_SECONDS }, encryption, Date.now);
    expect(await idsOf(measured.issuersWithHeader())).toEqual(await idsOf(registry.issuersWithHeader()));
    expect(rowsRead).toHaveLength(1);
    expect(rowsRead[0]).toBeLessThan(20);
  });
});
