import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { type JWTPayload, SignJWT, exportJWK, generateKeyPair } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";
import { ADMITTED, codeOf as outcomeOf, isolate } from "./isolates.ts";

const CREATES = ["uploads:create", "uploads:read", "uploads:delete", "usage:read", "policy:read"];
const ISS = "https://idp.example/";
const ENTRA = "https://login.example/{tenant}/v2.0";

let privateKey: CryptoKey;
let keys: object;
beforeAll(async () => {
  const pair = await generateKeyPair("ES256", { extractable: true });
  ({ privateKey } = pair);
  keys = { jwks: { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "1", alg: "ES256" }] } };
});

const sign = (org: string, claims: JWTPayload = {}) =>
  new SignJWT({ iss: ISS, aud: "sluice", sub: "user-1", org, ...claims })
    .setProtectedHeader({ alg: "ES256", kid: "1" })
    .setExpirationTime("1h")
    .sign(privateKey);

async function putIssuer(id: string, { tenant = {}, provision = {}, ...more }: Readonly<Record<string, object>> = {}) {
  const put = await asOperator("PUT", `/issuers/${id}`, {
    issuer: ISS,
    audiences: ["sluice"],
    keys,
    tenant: { claim: "org", ...tenant },
    scopes: [...CREATES, "grants:create"],
    provision: { plan: "free", ...provision },
    ...more,
  });
  if (!put.ok) throw new Error(await put.text());
}

/** Another provisioning issuer, with tokens of its own. */
const OTHER = { iss: "https://other.example/" };
const putOther = () => putIssuer("other", { issuer: "https://other.example/" as unknown as object });

const headersOf = (token: string) => ({ Authorization: `Bearer ${token}`, "Content-Type": "application/json" });
const read = (token: string, tenant: string, path: string) =>
  request("GET", `/v1/${tenant}/${path}`, { headers: headersOf(token) });
const mint = (token: string, tenant: string) =>
  request("POST", `/v1/${tenant}/grants`, { headers: headersOf(token), body: "{}" });
/** In a new isolate, unless one is given. */
const create = (token: string, tenant: string, on = isolate()) => outcomeOf(on(token, tenant));
const tenants = async () => {
  const { results } = await env.DB.prepare("SELECT id, provisioned_by FROM tenants ORDER BY id").all();
  return results;
};
const provisioned = async () =>
  env.DB.prepare("SELECT count(*) AS n FROM audit WHERE action = 'tenant.provision'").first<number>("n");

/** What each route that a token reaches answers for a tenant: a code, or `ok`. */
async function answersOf(token: string, tenant: string, which: "all" | "reads" = "all"): Promise<ReadonlySet<string>> {
  const check = { headers: headersOf(token), body: '{"length":5}' };
  const responses = [
    ...["uploads", "uploads/0190a8a0-0000-7000-8000-000000000000", "usage", "policy"].map((path) =>
      read(token, tenant, path),
    ),
    request("POST", `/v1/${tenant}/policy/check`, check),
    request("DELETE", `/v1/${tenant}/uploads/0190a8a0-0000-7000-8000-000000000000`, check),
    request("GET", `/client/v4/accounts/${tenant}/stream`, { headers: check.headers }),
    request("GET", `/client/v4/accounts/${tenant}/stream/storage-usage`, { headers: check.headers }),
  ];
  const creations = () => [
    request("POST", `/v1/${tenant}/direct-uploads`, { ...check, body: '{"maxDurationSeconds":5}' }),
    request("POST", `/client/v4/accounts/${tenant}/stream/direct_upload`, {
      ...check,
      body: '{"maxDurationSeconds":5}',
    }),
    mint(token, tenant),
  ];
  const answers = which === "all" ? [...responses, ...creations()] : responses;
  const codes = await Promise.all(answers.map(async (response) => ((await response).ok ? "ok" : codeOf(response))));
  return new Set(which === "all" ? [...codes, await create(token, tenant)] : codes);
}
const REFUSED = new Set(["tenant_mismatch"]);

beforeEach(async () => {
  // Nothing listens at its address.
  const upstream = { accountId: "abc", apiToken: "token", apiBase: "http://127.0.0.1:9" };
  await asOperator("PUT", "/upstreams/free?check=false", upstream);
  const plan = {
    upstream: "free",
    policy: { upload: { maxBytes: 500 }, origins: ["https://app.example"] },
    limits: { pending: 60 },
  };
  await asOperator("PUT", "/plans/free", plan);
  await putIssuer("idp");
});

describe("the first creation of an unknown tenant", () => {
  it("makes it on the plan of the issuer, with its name from a claim", async () => {
    await putIssuer("idp", { name: { claim: "org_name" } });
    expect(await create(await sign("acme", { org_name: "Acme Inc." }), "acme")).toBe(ADMITTED);
    const tenant = await (await asOperator("GET", "/tenants/acme")).json();
    expect(tenant).toMatchObject({
      name: "Acme Inc.",
      plan: "free",
      limits: {},
      effective: { limits: { pending: 60 } },
      provisionedBy: { issuer: "idp", iss: ISS },
    });
    const { entries } = await (await asOperator("GET", "/audit?tenant=acme")).json<{ entries: object[] }>();
    expect(entries).toMatchObject([{ actor: "issuer:idp", action: "tenant.provision", target: "acme" }]);
  });

  it.each(["", "x".repeat(201), "two\nlines", 7, null])("leaves out the name %j", async (org_name) => {
    await putIssuer("idp", { name: { claim: "org_name" } });
    expect(await create(await sign("acme", { org_name }), "acme")).toBe(ADMITTED);
    expect(await (await asOperator("GET", "/tenants/acme")).json()).not.toHaveProperty("name");
  });

  it("makes it once for 50 concurrent requests, in 5 isolates and through the Worker, and answers all of them", async () => {
    const token = await sign("acme");
    const isolates = Array.from({ length: 5 }, isolate);
    const codes = await Promise.all(
      Array.from({ length: 40 }, (_, index) => create(token, "acme", isolates[index % 5])),
    );
    const grants = await Promise.all(Array.from({ length: 10 }, () => mint(token, "acme")));
    expect(new Set(codes)).toEqual(new Set([ADMITTED]));
    expect(new Set(grants.map(({ status }) => status))).toEqual(new Set([201]));
    expect(await tenants()).toEqual([{ id: "acme", provisioned_by: "idp" }]);
    expect(await provisioned()).toBe(1);
  });

  it("makes exactly maxPerMinute tenants of 50 that come at the same time, and says when to come again", async () => {
    await putIssuer("idp", { provision: { maxPerMinute: 10 } });
    const names = Array.from({ length: 50 }, (_, index) => `t${index}`);
    const answers = await Promise.all(names.map(async (name) => mint(await sign(name), name)));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(40);
    for (const answer of refused) {
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(50);
      expect([answer.status, await codeOf(answer)]).toEqual([429, "provisioning_busy"]);
    }
    expect(await tenants()).toHaveLength(10);
  });

  it("is a 403 once there are maxTenants", async () => {
    await putIssuer("idp", { provision: { maxTenants: 1 } });
    expect(await create(await sign("a"), "a")).toBe(ADMITTED);
    const refused = await mint(await sign("b"), "b");
    expect([refused.status, await codeOf(refused)]).toEqual([403, "provisioning_limit"]);
    expect(await create(await sign("a"), "a")).toBe(ADMITTED);
  });

  it.each<[string, (token: string) => Promise<string>, string]>([
    ["the origin", (token) => post(token, { origin: "https://evil.example" }), "origin_not_allowed"],
    ["the length", (token) => post(token, { "upload-length": "501" }), "upload_too_large"],
    ["the tus version", (token) => post(token, { "tus-resumable": "0.2" }), "tus_version_unsupported"],
    ["the metadata", (token) => post(token, { "upload-metadata": "a b c" }), "upload_metadata_invalid"],
    ["the grant's policy", (token) => badGrant(token), "body_invalid"],
    ["the tenant in the path", async (token) => codeOf(mint(token, "globex")), "tenant_mismatch"],
  ])("makes no tenant if %s is refused", async (_, send, code) => {
    expect(await send(await sign("acme"))).toBe(code);
    expect(await tenants()).toEqual([]);
  });
  const post = (token: string, headers: Readonly<Record<string, string>>) =>
    codeOf(
      request("POST", "/v1/acme/uploads", {
        headers: { Authorization: `Bearer ${token}`, "tus-resumable": "1.0.0", "upload-length": "5", ...headers },
      }),
    );
  const badGrant = (token: string) =>
    codeOf(request("POST", "/v1/acme/grants", { headers: headersOf(token), body: '{"expiresIn":1000000}' }));

  it.each(["Acme", "acme!", "-acme", "a".repeat(33)])(
    "makes no tenant of the claim %j, which is no tenant id",
    async (org) => {
      expect(await create(await sign(org), org.toLowerCase())).not.toBe(ADMITTED);
      expect(await tenants()).toEqual([]);
    },
  );

  it("makes no tenant without the scope", async () => {
    await putIssuer("idp", { scopes: ["uploads:read"] });
    const token = await sign("acme");
    expect(await create(token, "acme")).toBe("scope_missing");
    expect(await codeOf(mint(token, "acme"))).toBe("scope_missing");
    expect(await tenants()).toEqual([]);
  });

  it("goes on where this isolate still believes that the tenant is unknown", async () => {
    const [first, second] = [isolate(), isolate()];
    const token = await sign("acme");
    expect(await create(await sign("acme", { aud: "sluice", org: "globex" }), "acme", first)).toBe("tenant_mismatch");
    await asOperator("PUT", "/issuers/other", {
      issuer: OTHER.iss,
      audiences: ["sluice"],
      keys,
      tenant: { claim: "org" },
    });
    // A look-up by an issuer that makes no tenants is cached as "unknown".
    expect(await create(await sign("acme", OTHER), "acme", first)).toBe("not_found");
    expect(await create(token, "acme", second)).toBe(ADMITTED);
    expect(await create(token, "acme", first)).toBe(ADMITTED);
    expect(await provisioned()).toBe(1);
  });

  it("is reached by a grant where this isolate still believes that the tenant is unknown", async () => {
    const [here, token] = [isolate(), await sign("acme")];
    await asOperator("PUT", "/plans/free", { policy: { upload: { maxBytes: 4 } }, limits: {} });
    expect(await create(token, "acme", here)).toBe("upload_too_large");
    await asOperator("PUT", "/plans/free", { policy: {}, limits: {} });
    const { grant } = await (await mint(token, "acme")).json<{ grant: string }>();
    expect(await create(grant, "acme", here)).toBe(ADMITTED);
    // A grant makes none.
    await env.DB.exec("DELETE FROM tenants");
    expect(await create(grant, "acme")).toBe("tenant_mismatch");
    expect(await tenants()).toEqual([]);
  });

  it("goes on where this isolate still believes in a plan that the issuer has left and that is gone", async () => {
    const [here, token] = [isolate(), await sign("acme")];
    await asOperator("PUT", "/plans/free", { policy: { upload: { maxBytes: 4 } }, limits: {} });
    expect(await create(token, "acme", here)).toBe("upload_too_large");
    await asOperator("PUT", "/plans/pro", { upstream: "free" });
    await putIssuer("idp", { provision: { plan: "pro" as unknown as object } });
    expect((await asOperator("DELETE", "/plans/free")).status).toBe(204);
    expect(await create(token, "acme", here)).toBe(ADMITTED);
  });

  it("is a 403 while the tenant is suspended", async () => {
    const token = await sign("acme");
    await create(token, "acme");
    await asOperator("PUT", "/tenants/acme", { plan: "free", suspended: true });
    expect(await create(token, "acme")).toBe("tenant_suspended");
  });

  it("decides by the documents that the operator gives the tenant later", async () => {
    const [here, token] = [isolate(), await sign("acme")];
    expect(await create(token, "acme", here)).toBe(ADMITTED);
    await asOperator("PUT", "/tenants/acme", { plan: "free", policy: { upload: { maxBytes: 4 } } });
    expect(await create(token, "acme", here)).toBe("upload_too_large");
    expect(await (await asOperator("GET", "/tenants/acme")).json()).toMatchObject({ provisionedBy: { issuer: "idp" } });
  });
});

describe("reads before the first creation", () => {
  it("answer as for an empty tenant of the plan, and write nothing", async () => {
    const token = await sign("acme");
    expect(await (await read(token, "acme", "uploads")).json()).toMatchObject({ uploads: [] });
    expect(await (await read(token, "acme", "usage")).json()).toMatchObject({ limits: { pending: 60 } });
    expect(await (await read(token, "acme", "policy")).json()).toMatchObject({
      policy: { upload: { maxBytes: 500 } },
    });
    const checked = await request("POST", "/v1/acme/policy/check", {
      headers: headersOf(token),
      body: '{"length":5,"origin":"https://app.example"}',
    });
    expect(await checked.json()).toMatchObject({ allowed: true });
    expect(await codeOf(read(token, "acme", "uploads/nothing"))).toBe("not_found");
    expect(await tenants()).toEqual([]);
    expect(await provisioned()).toBe(0);
  });

  it("ask no ledger, which would store itself", async () => {
    await putIssuer("idp", { tenant: { transform: "slug" } });
    const token = await sign("ghost");
    expect(await answersOf(token, "ghost", "reads")).toEqual(new Set(["ok", "not_found"]));
    const usage = { pending: 0, videos: 0, storedSeconds: 0 };
    expect(await (await read(token, "ghost", "usage?creator=user-1")).json()).toMatchObject({ usage });
    const month = new Date().toISOString().slice(0, 7);
    expect(await (await read(token, "ghost", `usage?month=${month}`)).json()).toMatchObject({
      usage: { uploads: 0, bytes: 0, seconds: 0 },
    });
    const isGhosts = (id: DurableObjectId) => id.equals(env.LEDGER.idFromName("ghost"));
    expect((await listDurableObjectIds(env.LEDGER)).some(isGhosts)).toBe(false);
    await create(token, "ghost");
    expect((await listDurableObjectIds(env.LEDGER)).some(isGhosts)).toBe(true);
  });
});

describe("a token does not reach", () => {
  it("a tenant that the operator made, by its name", async () => {
    await seedTenant("acme");
    expect(await answersOf(await sign("acme"), "acme")).toEqual(REFUSED);
    expect(await (await mint(await sign("acme"), "acme")).json()).toMatchObject({ step: "tenant" });
  });

  it("a tenant that another issuer made", async () => {
    await putOther();
    expect(await create(await sign("acme", OTHER), "acme")).toBe(ADMITTED);
    expect(await answersOf(await sign("acme"), "acme")).toEqual(REFUSED);
  });

  it("another tenant by a value that becomes its id", async () => {
    await putIssuer("idp", { tenant: { transform: "slug" } });
    expect(await create(await sign("acme"), "acme")).toBe(ADMITTED);
    for (const value of ["Acme!", "ACME", " acme", "acme/", "ácme"])
      expect(await answersOf(await sign(value), "acme")).toEqual(REFUSED);
    // Nor a slug by its own name.
    const error = await (await mint(await sign("Acme!"), "acme")).json<{ code: string }>();
    expect(error.code).toBe("tenant_mismatch");
    expect(await tenants()).toHaveLength(1);
  });

  it("a deleted tenant, until the operator restores it", async () => {
    const token = await sign("acme");
    await create(token, "acme");
    await asOperator("DELETE", "/tenants/acme");
    expect(await answersOf(token, "acme")).toEqual(REFUSED);
    expect(await tenants()).toEqual([]);
    await seedTenant("acme", { plan: "free" });
    expect(await create(token, "acme")).toBe(ADMITTED);
    expect([await provisioned(), await tenants()]).toEqual([1, [{ id: "acme", provisioned_by: "idp" }]]);
  });

  it("a tenant by a grant that it minted before the tenant was another's", async () => {
    await putOther();
    const minted = await mint(await sign("acme"), "acme");
    const { grant } = await minted.json<{ grant: string }>();
    expect(await create(grant, "acme")).toBe(ADMITTED);
    // By hand, as there is no call that does it.
    await env.DB.exec("UPDATE tenants SET provisioned_by = 'other', provisioned_iss = 'https://other.example/'");
    await asOperator("PUT", "/plans/none", {});
    expect(await create(grant, "acme")).toBe("tenant_mismatch");
    expect(await codeOf(read(grant, "acme", "uploads/nothing"))).toBe("tenant_mismatch");
    expect(await create(await sign("acme", OTHER), "acme")).toBe(ADMITTED);
    expect(await create(grant, "globex")).toBe("tenant_mismatch");
  });

  it("a tenant that an earlier issuer of its id made", async () => {
    const [here, token] = [isolate(), await sign("acme")];
    const { grant } = await (await mint(token, "acme")).json<{ grant: string }>();
    await create(token, "acme", here);
    await putIssuer("idp", { issuer: OTHER.iss as unknown as object });
    const stranger = await sign("acme", OTHER);
    expect(await answersOf(stranger, "acme")).toEqual(REFUSED);
    expect(await create(stranger, "acme", here)).toBe("tenant_mismatch");
    expect(await create(grant, "acme")).toBe("credential_revoked");
    await asOperator("DELETE", "/issuers/idp");
    await putIssuer("idp", { issuer: OTHER.iss as unknown as object });
    expect(await answersOf(stranger, "acme")).toEqual(REFUSED);
    await putIssuer("idp");
    expect(await create(token, "acme")).toBe(ADMITTED);
  });

  it("a tenant that a second issuer of the same iss made, but is tried with both", async () => {
    await create(await sign("acme"), "acme");
    await putIssuer("a-second", { audiences: ["sluice", "second"] });
    expect(await create(await sign("acme", { aud: "second" }), "acme")).toBe("tenant_mismatch");
    expect(await create(await sign("acme"), "acme")).toBe(ADMITTED);
    expect(await create(await sign("globex", { aud: "second" }), "globex")).toBe(ADMITTED);
    expect(await create(await sign("globex"), "globex")).toBe(ADMITTED);
    await asOperator("DELETE", "/issuers/a-second");
    expect(await create(await sign("globex"), "globex")).toBe("tenant_mismatch");
  });

  it("a tenant that another directory of its provider made", async () => {
    await putIssuer("idp", { issuer: ENTRA as unknown as object, issuerPart: "tid" as unknown as object });
    const directory = (tid: string, claimed = tid) => ({ iss: ENTRA.replace("{tenant}", tid), tid: claimed });
    expect(await create(await sign("acme", directory("one")), "acme")).toBe(ADMITTED);
    expect(await answersOf(await sign("acme", directory("two")), "acme")).toEqual(REFUSED);
    expect(await create(await sign("acme", directory("two", "one")), "acme")).toBe("credential_unknown_issuer");
    const { grant } = await (await mint(await sign("acme", directory("one")), "acme")).json<{ grant: string }>();
    expect(await create(grant, "acme")).toBe(ADMITTED);
  });
});

const NOT_MAPPED = new Set(["credential_rejected"]);

describe("a map", () => {
  it("leads to tenants of the operator, and only by its values", async () => {
    await putIssuer("idp", { tenant: { map: { "org-1": "acme" } } });
    await seedTenant("acme");
    const mapped = await sign("org-1");
    expect(await create(mapped, "acme")).toBe(ADMITTED);
    const { grant } = await (await mint(mapped, "acme")).json<{ grant: string }>();
    expect(await create(grant, "acme")).toBe(ADMITTED);
    expect(await answersOf(await sign("acme"), "acme")).toEqual(NOT_MAPPED);
    await putIssuer("idp");
    expect([await create(mapped, "acme"), await create(grant, "acme")]).toEqual(["tenant_mismatch", "tenant_mismatch"]);
  });
});

describe("a map to a tenant that does not exist", () => {
  it("makes it for the values that it has, and never hands it to the value that is its id", async () => {
    await putIssuer("idp", { tenant: { map: { "org-1": "acme" } } });
    const [mapped, named] = [await sign("org-1"), await sign("acme")];
    expect(await answersOf(named, "acme")).toEqual(NOT_MAPPED);
    expect(await tenants()).toEqual([]);
    expect(await create(mapped, "acme")).toBe(ADMITTED);
    expect(await (await asOperator("GET", "/tenants/acme")).json()).toMatchObject({
      provisionedBy: { issuer: "idp", iss: "" },
    });
    expect(await answersOf(named, "acme")).toEqual(NOT_MAPPED);
    await putIssuer("idp");
    expect(await answersOf(named, "acme")).toEqual(REFUSED);
  });
});

describe("credentials that make no tenants", () => {
  it("are of every tenant that they name, as before", async () => {
    await create(await sign("acme"), "acme");
    await asOperator("PUT", "/issuers/all", {
      issuer: OTHER.iss,
      audiences: ["sluice"],
      keys,
      tenant: { claim: "org" },
    });
    expect(await create(await sign("acme", OTHER), "acme")).toBe(ADMITTED);
    expect(await create(await sign("nobody", OTHER), "nobody")).toBe("not_found");
    const { key } = await (await asOperator("POST", "/tenants/acme/keys", { name: "backend" })).json<{ key: string }>();
    expect(await create(key, "acme")).toBe(ADMITTED);
  });
});
