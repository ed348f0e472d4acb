import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it } from "vitest";
import { type Listeners, RegistryUnavailable } from "../../../src/adapters/d1/database.ts";
import { createRegistry } from "../../../src/adapters/d1/cached-registry.ts";
import { type RegistryStore, createRegistryStore } from "../../../src/adapters/d1/admin-registry.ts";
import { TimedRequestLog as RequestEvent } from "../../../src/adapters/telemetry/request-log.ts";
import { createFieldEncryption } from "../../../src/adapters/d1/field-encryption.ts";
import { createApp } from "../../../src/app.ts";
import { parseConfig } from "../../../src/config.ts";
import { createDependencies } from "../../../src/dependencies.ts";
import { createUpload } from "../../../src/core/uploads/create-upload.ts";
import { TENANT_ROW, asOperator, request, seedTenant } from "../support/worker.ts";

/** Nothing is at this address: what gets as far as Stream is refused with `stream_unreachable`, and was admitted. */
const config = parseConfig({
  ...env,
  STREAM_API_BASE: "http://127.0.0.1:9",
  STREAM_ACCOUNT_ID: "abc",
  STREAM_API_TOKEN: "token",
  REGISTRY_CACHE_SECONDS: "300",
});
const sealing = createFieldEncryption(config.masterKeys);

/** An isolate of its own, that believes what it has looked up for five minutes. */
function isolate() {
  const dependencies = createDependencies(env, config);
  const registry = createRegistry(env.DB, config, sealing, Date.now);
  return (credential: string) => {
    const headers: Record<string, string> = {
      authorization: `Bearer ${credential}`,
      "tus-resumable": "1.0.0",
      "upload-length": "5",
    };
    const request = { tenant: "acme", header: (name: string) => headers[name], waitUntil: () => undefined };
    return createUpload({ ...dependencies, registry }, request, new RequestEvent("request", "POST"));
  };
}

const onTenantChanged: Listeners["onTenantChanged"] = (tenant, version) =>
  env.LEDGER.getByName(tenant).learn(version, false);

/** The operator, by way of another isolate. */
function operator(now = Date.now) {
  return createRegistryStore(env.DB, sealing, now, { onWrite: () => {}, onTenantChanged });
}

const codeOf = async (outcome: ReturnType<ReturnType<typeof isolate>>) => {
  const created = await outcome;
  return created.ok ? "created" : created.problem.code;
};
const ADMITTED = "stream_unreachable";

it("no creation under a revoked key is accepted once the operator's call has been answered, in any isolate", async () => {
  const key = await seedTenant("acme");
  const isolates = Array.from({ length: 5 }, isolate);
  for (const create of isolates) expect(await codeOf(create(key))).toBe(ADMITTED);

  await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
  for (const create of isolates) expect(await codeOf(create(key))).toBe("credential_revoked");
});

it("nor under a suspension, nor under an older policy", async () => {
  const key = await seedTenant("acme");
  const create = isolate();
  expect(await codeOf(create(key))).toBe(ADMITTED);

  const tenant = { id: "acme", name: null, limits: "{}", upstream: "default", abandoned: "delete" as const };
  await operator().putTenant({ ...tenant, policy: '{"upload":{"maxBytes":4}}', suspended: 0 });
  expect(await codeOf(create(key))).toBe("upload_too_large");
  const other = isolate();
  await operator().putTenant({ ...tenant, policy: "{}", suspended: 0 });
  expect(await codeOf(other(key))).toBe(ADMITTED);
  await operator().putTenant({ ...tenant, policy: "{}", suspended: 1 });
  expect(await codeOf(other(key))).toBe("tenant_suspended");
});

it("nor for a tenant that is no more", async () => {
  const key = await seedTenant("acme");
  const create = isolate();
  expect(await codeOf(create(key))).toBe(ADMITTED);
  await operator().deleteTenant("acme");
  expect(await codeOf(create(key))).toBe("credential_invalid");
});

it("nor for one that was changed in the very millisecond in which it was deleted", async () => {
  const key = await seedTenant("acme");
  const time = Date.now() + 1;
  const store = operator(() => time);
  await store.putTenant({ ...TENANT_ROW, name: "Acme" });
  const create = isolate();
  expect(await codeOf(create(key))).toBe(ADMITTED);
  await store.deleteTenant("acme");
  expect(await codeOf(create(key))).toBe("credential_invalid");
});

it("nor by a database that was restored to what had been before, until the operator says that it holds", async () => {
  const key = await seedTenant("acme");
  const before = Date.now() - 24 * 60 * 60 * 1000;
  await operator().putTenant({ ...TENANT_ROW, name: "Acme" });
  await env.DB.prepare("UPDATE tenants SET version = ?").bind(before).run();
  const create = isolate();
  expect(await codeOf(create(key))).toBe("tenant_changing");
  // As the README gives it.
  await env.DB.exec("UPDATE tenants SET version = max(version + 1, (unixepoch() + 1) * 1000)");
  expect(await codeOf(create(key))).toBe(ADMITTED);
  expect(await codeOf(isolate()(key))).toBe(ADMITTED);
  // And what is changed from then on holds as ever.
  await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
  expect(await codeOf(create(key))).toBe("credential_revoked");
});

it("under load, what is decided in many isolates while the operator revokes is refused from the answer on", async () => {
  const key = await seedTenant("acme");
  const isolates = Array.from({ length: 8 }, isolate);
  for (const create of isolates) await create(key);
  let answered = false;
  const late: string[] = [];
  const load = Promise.all(
    isolates.map(async (create) => {
      for (let round = 0; round < 20; round++) {
        const after = answered;
        const code = await codeOf(create(key));
        if (after) late.push(code);
      }
    }),
  );
  await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
  answered = true;
  await load;
  expect(late.length).toBeGreaterThan(0);
  expect(new Set(late)).toEqual(new Set(["credential_revoked"]));
});

const SECRET = "a-secret-of-32-bytes-for-the-test";
const IDP = { issuer: "https://idp.example/", audience: "sluice", scopes: ["uploads:create", "grants:create"] };
/** The same as the store knows it. */
const ISSUER_ROW = {
  id: "idp",
  iss: IDP.issuer,
  audience: IDP.audience,
  algorithms: '["HS256"]',
  jwks_url: null,
  jwks: null,
  secret: SECRET,
  tenant: "acme",
  tenant_claim: null,
  subject_claim: "sub",
  scopes: JSON.stringify(IDP.scopes),
};

/** Two tenants, the first with an identity provider, and a token of that. */
async function seedIssuer(): Promise<string> {
  for (const id of ["acme", "other"]) await seedTenant(id);
  const put = await asOperator("PUT", "/issuers/idp", { ...IDP, secret: SECRET, tenant: "acme" });
  expect(put.status).toBe(201);
  return new SignJWT({ iss: IDP.issuer, aud: IDP.audience, sub: "user-1" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
}

const move = (to: object) => (store: RegistryStore) => store.putIssuer({ ...ISSUER_ROW, ...to });
const CHANGES: [string, (store: RegistryStore) => Promise<number>, string][] = [
  ["is no more", (store) => store.deleteIssuer("idp"), "credential_unknown_issuer"],
  ["goes with its tenant", (store) => store.deleteTenant("acme"), "credential_unknown_issuer"],
  ["speaks for another tenant", move({ tenant: "other" }), "tenant_mismatch"],
  ["speaks for whom a claim names", move({ tenant: null, tenant_claim: "org" }), "credential_invalid"],
];

it.each(CHANGES)("nor under a JWT whose issuer %s", async (_, change, code) => {
  const token = await seedIssuer();
  const create = isolate();
  expect(await codeOf(create(token))).toBe(ADMITTED);
  await change(operator());
  expect(await codeOf(create(token))).toBe(code);
});

describe("an issuer that another call puts", () => {
  const whileTold = (work: () => Promise<unknown>) => {
    let other: typeof work | undefined = work;
    return createRegistryStore(env.DB, sealing, Date.now, {
      onWrite: () => {},
      async onTenantChanged(...change) {
        await onTenantChanged(...change);
        const now = other;
        other = undefined;
        await now?.();
      },
    });
  };

  it("while it is being deleted goes all the same, and its tenant is told of that", async () => {
    const token = await seedIssuer();
    const create = isolate();
    const store = whileTold(async () => {
      await operator().putIssuer(ISSUER_ROW);
      expect(await codeOf(create(token))).toBe(ADMITTED);
    });
    expect(await store.deleteIssuer("idp")).toBe(1);
    expect(await codeOf(create(token))).toBe("credential_unknown_issuer");
  });

  it("while it is being taken from another tenant stays as it was put", async () => {
    const token = await seedIssuer();
    await operator().putIssuer({ ...ISSUER_ROW, tenant: "other" });
    const store = whileTold(() => operator().putIssuer(ISSUER_ROW));
    const moved = store.putIssuer({ ...ISSUER_ROW, tenant: null, tenant_claim: "org" });
    await expect(moved).rejects.toBeInstanceOf(RegistryUnavailable);
    expect(await codeOf(isolate()(token))).toBe(ADMITTED);
  });
});

describe("a cancellation", () => {
  /** The whole Worker, in an isolate of its own that has looked up the tenant and its key. */
  async function worker(key: string) {
    const registry = createRegistry(env.DB, config, sealing, Date.now);
    const app = createApp({ ...createDependencies(env, config), registry });
    const ask = (method: string, path: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const context = createExecutionContext();
      return app.fetch(new Request(`https://sluice.example${path}`, { method, headers }), env, context);
    };
    expect((await ask("GET", "/v1/acme/uploads")).status).toBe(200);
    return ask;
  }

  async function issued() {
    const [id, uid, ledger] = [uuidv7(), uuidv7().replaceAll("-", ""), env.LEDGER.getByName("acme")];
    const size = { bytes: 5, seconds: 60, expires: 4e9 };
    await ledger.reserve({ id, version: Infinity, limits: {}, upstream: "default", ...size });
    await ledger.attach(id, uid, "https://upload.example/1");
    return { id, uid, state: async () => (await ledger.find(id))?.state };
  }

  const PATHS = [
    ["by the upload's id", ({ id }: { id: string }) => `/v1/acme/uploads/${id}`],
    ["under Cloudflare's path", ({ uid }: { uid: string }) => `/client/v4/accounts/acme/stream/${uid}`],
  ] as const;

  it.each(PATHS)(
    "%s under a revoked key is not accepted once the operator's call has been answered",
    async (_, path) => {
      const key = await seedTenant("acme");
      const [ask, upload] = [await worker(key), await issued()];
      await operator().revokeApiKey("acme", key.split("_")[1] ?? "");
      const answer = await ask("DELETE", path(upload));
      expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([401, "credential_revoked"]);
      expect(await upload.state()).toBe("issued");
    },
  );

  it.each(PATHS)("%s is accepted where the tenant has changed and the key has not", async (_, path) => {
    const key = await seedTenant("acme");
    const [ask, upload] = [await worker(key), await issued()];
    await operator().putTenant({ ...TENANT_ROW, name: "Acme" });
    expect((await ask("DELETE", path(upload))).status).toBe(200);
    expect(await upload.state()).toBe("cancelled");
  });

  it("of a tenant that is being suspended is not accepted", async () => {
    const [ask, upload] = [await worker(await seedTenant("acme")), await issued()];
    await operator().putTenant({ ...TENANT_ROW, suspended: 1 });
    expect((await ask("DELETE", PATHS[0][1](upload))).status).toBe(403);
    expect(await upload.state()).toBe("issued");
  });

  it("is refused for the moment where the ledger knows of a later change than the registry", async () => {
    const [ask, upload] = [await worker(await seedTenant("acme")), await issued()];
    await env.LEDGER.getByName("acme").learn(Number.MAX_SAFE_INTEGER, false);
    const answer = await ask("DELETE", PATHS[0][1](upload));
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await upload.state()).toBe("issued");
  });
});

/** The operator by way of an isolate that loses its connection once: at a step, before it is done or after. */
function interrupted(at: number, when: "before" | "after"): RegistryStore {
  let steps = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    if (++steps !== at) return work();
    if (when === "after") await work();
    throw new Error("The connection is lost.");
  };
  const withSession = (constraint: string) => {
    const session = env.DB.withSession(constraint);
    return {
      prepare: (sql: string) => session.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => step(() => session.batch(statements)),
      getBookmark: () => session.getBookmark(),
    };
  };
  const db = { prepare: (sql: string) => env.DB.prepare(sql), withSession } as unknown as D1Database;
  return createRegistryStore(db, sealing, Date.now, {
    onWrite: () => {},
    onTenantChanged: (...change) => step(() => onTenantChanged(...change)),
  });
}

describe.each(["before", "after"] as const)(
  "a call of the operator's that fails %s one of its steps is done",
  (when) => {
    it.each(CHANGES)("holds once it has been made again: an issuer %s", async (_, change, code) => {
      for (let at = 1; ; at++) {
        const token = await seedIssuer();
        const create = isolate();
        expect(await codeOf(create(token))).toBe(ADMITTED);
        const store = interrupted(at, when);
        const failed = await change(store).then(
          () => false,
          () => true,
        );
        if (failed) await change(store);
        expect(await codeOf(create(token)), `step ${at}`).toBe(code);
        await asOperator("DELETE", "/issuers/idp");
        if (!failed) return;
      }
    });
  },
);

async function mint(token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const minted = await request("POST", "/v1/acme/grants", { headers, body: "{}" });
  return (await minted.json<{ grant: string }>()).grant;
}

/** A credential as it is known before, and as it comes again; a grant is for one upload. */
type Known = readonly [before: string, again: string];
const twice = (credential: string): Known => [credential, credential];

it.each<[string, (token: string) => Promise<Known>, (credential: string) => Promise<unknown>, string]>([
  [
    "a key",
    async () => twice(await seedTenant("acme")),
    (key) => operator().revokeApiKey("acme", key.split("_")[1] ?? ""),
    "credential_revoked",
  ],
  ["a JWT", async (token) => twice(token), () => operator().deleteIssuer("idp"), "credential_unknown_issuer"],
  [
    "a grant",
    async (token) => [await mint(token), await mint(token)],
    () => operator().deleteIssuer("idp"),
    "credential_revoked",
  ],
])(
  "nor under %s that is known from before, where its tenant has been read anew for another caller",
  async (_, make, revoke, code) => {
    const token = await seedIssuer();
    const [before, again] = await make(token);
    const other = await seedTenant("acme");
    const create = isolate();
    for (const credential of [before, other]) expect(await codeOf(create(credential))).toBe(ADMITTED);
    await revoke(before);
    expect(await codeOf(create(other))).toBe(ADMITTED);
    expect(await codeOf(create(again))).toBe(code);
  },
);

describe("a grant", () => {
  it.each<[string, (store: RegistryStore) => Promise<number>]>([
    ["is deleted", (store) => store.deleteIssuer("idp")],
    ["speaks for another tenant", move({ tenant: "other" })],
    ["may mint none any longer", move({ scopes: '["uploads:create"]' })],
  ])("dies with the issuer of the JWT that minted it, when that %s", async (_, change) => {
    const token = await seedIssuer();
    const [first, second] = [await mint(token), await mint(token)];
    const create = isolate();
    expect(await codeOf(create(first))).toBe(ADMITTED);
    await change(operator());
    expect(await codeOf(create(second))).toBe("credential_revoked");
  });

  it("outlives a change of that issuer that leaves it its right to mint", async () => {
    const grant = await mint(await seedIssuer());
    await operator().putIssuer({ ...ISSUER_ROW, audience: "another" });
    expect(await codeOf(isolate()(grant))).toBe(ADMITTED);
  });
});
