import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { parseConfig } from "../../../src/config.ts";
import type { IssuerSettings } from "../../../src/core/auth/rules/issuer-document.ts";
import { asOperator, seedTenant } from "../support/worker.ts";

/** Issuers in a registry that this version and 0.1 write by turns: during a deployment, and after a rollback. */

const config = parseConfig(env);
const encryption = createFieldEncryption(config.masterKeys);
const stores = () =>
  createAdminRegistry(env.DB, encryption, Date.now, {
    onWrite: () => {},
    onPlanChanged: async () => 0,
    onTenantChanged: async () => {},
  });
const lookUp = async () => {
  const found = await createRegistry(env.DB, config, encryption, Date.now).issuers("https://idp.example/");
  if (!found.ok) throw new Error(found.problem.detail);
  return found.value;
};

const SECRET = "a-secret-of-32-bytes-for-the-test";
const ASYMMETRIC = ["RS256", "PS256", "ES256", "EdDSA"];
const settings: IssuerSettings = {
  issuer: "https://idp.example/",
  audiences: ["sluice"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { claim: "org" },
  subject: { claim: "sub", namespace: "tenant" },
  scopes: ["uploads:create", "grants:create"],
  maxGrantSeconds: 60,
};

type OldRow = Readonly<Record<string, string | number | null>>;
const rowOf = async (id: string) => {
  const row = await env.DB.prepare("SELECT * FROM issuers WHERE id = ?").bind(id).first<OldRow>();
  if (!row) throw new Error("There is no such row.");
  return row;
};

/** What 0.1 reads from a row, from the same columns. */
async function readBefore(id: string) {
  const row = await rowOf(id);
  const sealed = row["sealed_secret"];
  return {
    iss: row["iss"],
    audience: row["audience"],
    algorithms: JSON.parse(String(row["algorithms"])) as string[],
    jwksUrl: row["jwks_url"],
    jwks: row["jwks"] && (JSON.parse(String(row["jwks"])) as object),
    secret: sealed && (await encryption.open(String(sealed), `issuer:${id}`)),
    tenant: row["tenant"],
    tenantClaim: row["tenant_claim"],
    subjectClaim: row["subject_claim"],
    scopes: JSON.parse(String(row["scopes"])) as string[],
    maxGrantSeconds: row["max_grant_seconds"],
  };
}

/** As 0.1 puts an issuer. */
async function putBefore(id: string, change: OldRow = {}): Promise<void> {
  const row: OldRow = {
    id,
    iss: "https://idp.example/",
    audience: "old",
    algorithms: JSON.stringify(ASYMMETRIC),
    jwks_url: "https://idp.example/old-jwks",
    jwks: null,
    sealed_secret: null,
    tenant: null,
    tenant_claim: "old_org",
    subject_claim: "uid",
    scopes: '["uploads:read"]',
    max_grant_seconds: 60,
    ...change,
  };
  const columns = Object.keys(row);
  await env.DB.batch([
    env.DB.prepare("DELETE FROM issuers WHERE id = ? AND (tenant = ? OR (tenant IS NULL OR scopes = '[]'))").bind(
      id,
      row["tenant"] ?? null,
    ),
    env.DB.prepare(`INSERT INTO issuers (${columns.join()}) VALUES (${columns.map(() => "?").join()})`).bind(
      ...Object.values(row),
    ),
  ]);
}

beforeEach(() => seedTenant("acme"));

describe("an issuer of this version, read by the version before", () => {
  it.each<[string, Partial<IssuerSettings>, object]>([
    ["by URL", {}, { jwksUrl: "https://idp.example/jwks", tenantClaim: "org", subjectClaim: "sub" }],
    [
      "by keys",
      { keys: { jwks: { keys: [{ kty: "RSA", n: "AQAB", e: "AQAB" }] } } },
      { jwks: { keys: [{ kty: "RSA", n: "AQAB", e: "AQAB" }] } },
    ],
    ["by secret", { keys: { secrets: [SECRET] } }, { algorithms: ["HS256"], secret: SECRET }],
    ["for one tenant", { tenant: { fixed: "acme" } }, { tenant: "acme", tenantClaim: null }],
    ["with algorithms of which it knows some", { algorithms: ["RS512", "ES256"] }, { algorithms: ["ES256"] }],
    ["with algorithms that it does not know", { algorithms: ["RS512"] }, { algorithms: [] }],
  ])("is the same where it can say all of it: %s", async (_, change, expected) => {
    await stores().issuers.put("idp", { ...settings, ...change });
    expect(await readBefore("idp")).toMatchObject({
      iss: "https://idp.example/",
      audience: "sluice",
      algorithms: ASYMMETRIC,
      scopes: ["uploads:create", "grants:create"],
      maxGrantSeconds: 60,
      ...expected,
    });
  });

  it.each<[string, Partial<IssuerSettings>]>([
    ["two audiences", { audiences: ["sluice", "other"] }],
    ["authorized parties", { authorizedParties: ["web"] }],
    ["any audience", { audiences: undefined, anyAudience: true } as unknown as Partial<IssuerSettings>],
    ["discovery", { keys: { discovery: true } }],
    ["two secrets", { keys: { secrets: [SECRET, `${SECRET}2`] } }],
    [
      "a part that varies",
      { issuer: "https://idp.example/{tenant}", issuerPart: "tid", tenant: { claim: "org", map: { a: "acme" } } },
    ],
    ["a JSON Pointer to the tenant", { tenant: { claim: "/app/org" } }],
    ["a map", { tenant: { claim: "org", map: { a: "acme" } } }],
    ["slugs", { tenant: { claim: "org", transform: "slug" } }],
    ["a namespace of its own", { subject: { claim: "sub" } }],
    ["another namespace", { subject: { claim: "sub", namespace: "people" } }],
    ["a JSON Pointer to the subject", { subject: { claim: "/a/b", namespace: "tenant" } }],
    ["several claims for the subject", { subject: { claim: ["sub", "name"], namespace: "tenant" } }],
    ["scopes from a claim", { scopes: { claim: "scope" } }],
    ["required claims", { require: { email_verified: true } }],
    ["provisioning", { provision: { plan: "free", maxTenants: 1, maxPerMinute: 1 } }],
    ["a header", { header: "cf-access-jwt-assertion" }],
  ])("is refused where it cannot: %s", async (_, change) => {
    await env.DB.prepare("INSERT INTO plans (id, created_at, updated_at, version) VALUES ('free', 0, 0, 0)").run();
    const put = await stores().issuers.put("idp", JSON.parse(JSON.stringify({ ...settings, ...change })));
    expect(put).toMatchObject({ ok: true });
    const { algorithms, scopes, secret } = await readBefore("idp");
    expect(algorithms).toEqual([]);
    expect(scopes).toEqual(["uploads:read"]);
    if (secret) expect(secret).not.toBe(SECRET);
  });

  it("counts as not revoked, so that the version before notifies the tenant's ledger", async () => {
    await stores().issuers.put("idp", { ...settings, tenant: { fixed: "acme" }, scopes: { claim: "scope" } });
    expect((await rowOf("idp"))["scopes"]).not.toBe("[]");
  });
});

describe("an issuer of the version before, read by this version", () => {
  it("has the namespace of API keys", async () => {
    await putBefore("idp");
    expect(await lookUp()).toMatchObject([
      {
        id: "idp",
        audiences: ["old"],
        authorizedParties: [],
        anyAudience: false,
        algorithms: ASYMMETRIC,
        keys: { kind: "jwks-url", url: "https://idp.example/old-jwks" },
        tenant: { kind: "claim", claim: "old_org" },
        subject: { claims: ["uid"], namespace: "tenant" },
        scopes: { kind: "fixed", scopes: new Set(["uploads:read"]) },
        require: [],
        maxGrantSeconds: 60,
      },
    ]);
    expect(await stores().issuers.get("idp")).toEqual({
      id: "idp",
      issuer: "https://idp.example/",
      audiences: ["old"],
      keys: { jwksUrl: "https://idp.example/old-jwks" },
      algorithms: ASYMMETRIC,
      tenant: { claim: "old_org" },
      subject: { claim: "uid", namespace: "tenant" },
      scopes: ["uploads:read"],
      maxGrantSeconds: 60,
    });
  });

  it("has claims that are names, also those that begin with a slash", async () => {
    await putBefore("idp", { tenant_claim: "/a~b/c", subject_claim: "https://a.example/sub" });
    expect(await lookUp()).toMatchObject([
      { tenant: { claim: "/~1a~0b~1c" }, subject: { claims: ["https://a.example/sub"] } },
    ]);
  });

  it("is not the document that it replaced", async () => {
    await stores().issuers.put("idp", settings);
    await putBefore("idp");
    expect(await stores().issuers.get("idp")).toMatchObject({ audiences: ["old"], tenant: { claim: "old_org" } });
    expect(await lookUp()).toMatchObject([{ audiences: ["old"] }]);
  });

  it("is revoked if that version has begun to delete or to move it", async () => {
    await stores().issuers.put("idp", { ...settings, tenant: { fixed: "acme" }, scopes: { claim: "scope" } });
    await env.DB.prepare("UPDATE issuers SET scopes = '[]' WHERE id = ? AND tenant = ?").bind("idp", "acme").run();
    expect(await lookUp()).toMatchObject([{ scopes: { kind: "fixed", scopes: new Set() } }]);
    expect(await stores().issuers.get("idp")).toMatchObject({ scopes: [] });
  });

  it("has no scope that it does not list, even if it lists all scopes of 0.1", async () => {
    const all = ["uploads:create", "uploads:read", "uploads:delete", "grants:create", "policy:read", "usage:read"];
    await putBefore("idp", { scopes: JSON.stringify(all) });
    expect(await lookUp()).toMatchObject([{ scopes: { kind: "fixed", scopes: new Set(all) } }]);
  });

  it("is refused if its scopes are of another version only", async () => {
    await putBefore("idp", { scopes: '["a-scope-of-the-future"]' });
    expect(await lookUp()).toMatchObject([{ scopes: { kind: "fixed", scopes: new Set() } }]);
  });
});

describe("the warning of a shared namespace", () => {
  const warningsOf = async (id: string) =>
    (await (await asOperator("GET", `/issuers/${id}`)).json<{ warnings: unknown[] }>()).warnings;
  const toAcme = { tenant: "acme", tenant_claim: null };

  it.each<[string, OldRow, OldRow]>([
    ["two issuers of one tenant", toAcme, toAcme],
    ["an issuer of one tenant and one of many", toAcme, {}],
    ["two issuers of many tenants", {}, {}],
  ])("names the other one: %s", async (_, a, b) => {
    await putBefore("a", a);
    await putBefore("b", b);
    expect(await warningsOf("a")).toMatchObject([
      { code: "namespace_shared", pointer: "/subject/namespace", detail: expect.stringContaining(": b.") as string },
    ]);
    const document = await stores().issuers.get("a");
    const { id: _id, ...same } = document ?? { id: "" };
    await asOperator("PUT", "/issuers/a", same);
    expect(await warningsOf("a")).toEqual([]);
    expect(await warningsOf("b")).toEqual([]);
  });

  it("names all of them", async () => {
    const others = ["b", "c", "d", "e", "f", "g"];
    for (const id of ["a", ...others]) await putBefore(id, toAcme);
    expect(await warningsOf("a")).toMatchObject([{ detail: expect.stringContaining(others.join(", ")) as string }]);
  });

  it("is absent for issuers of different tenants", async () => {
    await seedTenant("other");
    await putBefore("a", toAcme);
    await putBefore("b", { ...toAcme, tenant: "other" });
    expect(await warningsOf("a")).toEqual([]);
  });
});
