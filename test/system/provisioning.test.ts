import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestGateway, startTestGateway } from "../support/gateway.ts";
import { bearer, create, problemOf } from "../support/http.ts";
import { type IdentityProvider, startIdentityProvider } from "../support/identity-provider.ts";

/** Tenants that come by themselves: tokens make them, on a plan. */

let harness: TestGateway;
let idp: IdentityProvider;

beforeAll(async () => {
  harness = await startTestGateway({});
  await harness.tenant("operators");
  idp = await startIdentityProvider();
  const policy = { upload: { maxBytes: 5_000 }, origins: ["https://app.example"] };
  await harness.operator("PUT", "/plans/free", { policy, limits: { pending: 100 } });
  await harness.operator("PUT", "/issuers/idp", {
    issuer: "https://idp.example/",
    audiences: ["sluice"],
    keys: { jwksUrl: idp.jwksUrl },
    tenant: { claim: "org", transform: "slug" },
    scopes: ["uploads:create", "uploads:read", "uploads:delete", "usage:read", "grants:create"],
    provision: { plan: "free", maxTenants: 4 },
    name: { claim: "org_name" },
  });
});
afterAll(async () => {
  idp.stop();
  await harness.stop();
});

const tenantOf = async (id: string) => {
  const { tenants } = (await harness.operator("GET", "/tenants")) as unknown as { tenants: { id: string }[] };
  return tenants.find((tenant) => tenant.id === id);
};
const list = async (tenant: string, token: string) =>
  fetch(`${harness.url}/v1/${tenant}/uploads`, { headers: bearer(token) });

describe("a tenant that a token makes", () => {
  it("lists nothing before its first creation, which makes it, and is its users' from then on", async () => {
    const token = await idp.sign({ org: "acme", org_name: "Acme Inc." });
    expect(await (await list("acme", token)).json()).toMatchObject({ uploads: [] });
    expect(await tenantOf("acme")).toBeUndefined();

    const refused = await create(harness.url, "acme", { ...bearer(token), Origin: "https://evil.example" });
    expect(await problemOf(refused)).toMatchObject({ code: "origin_not_allowed" });
    expect(await tenantOf("acme")).toBeUndefined();

    const made = await create(harness.url, "acme", { ...bearer(token), Origin: "https://app.example" });
    expect(made.status).toBe(201);
    expect(await tenantOf("acme")).toMatchObject({
      name: "Acme Inc.",
      plan: "free",
      provisionedBy: { issuer: "idp", iss: "https://idp.example/" },
    });
    const id = made.headers.get("sluice-upload-id") ?? "";
    expect(await (await list("acme", token)).json()).toMatchObject({ uploads: [{ id }] });
    const cancelled = await fetch(`${harness.url}/v1/acme/uploads/${id}`, { method: "DELETE", headers: bearer(token) });
    expect(cancelled.ok).toBe(true);
    const others = await create(harness.url, "operators", bearer(await idp.sign({ org: "operators" })));
    expect([others.status, (await problemOf(others)).code]).toEqual([403, "tenant_mismatch"]);
  });

  it("is made once by 50 first creations at the same time, and each of them gets its upload", async () => {
    const users = Array.from({ length: 50 }, (_, index) => idp.sign({ org: "globex", sub: `user-${index}` }));
    const tokens = await Promise.all(users);
    const answers = await Promise.all(tokens.map((token) => create(harness.url, "globex", bearer(token))));
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 201));
    expect(new Set(answers.map(({ headers }) => headers.get("stream-media-id"))).size).toBe(50);
    const audit = (await harness.operator("GET", "/audit?tenant=globex")) as unknown as { entries: object[] };
    expect(audit.entries).toMatchObject([{ action: "tenant.provision", actor: "issuer:idp" }]);
  });

  it("is not made once its issuer has made maxTenants", async () => {
    for (const org of ["one", "two"])
      expect((await create(harness.url, org, bearer(await idp.sign({ org })))).status).toBe(201);
    const refused = await create(harness.url, "three", bearer(await idp.sign({ org: "three" })));
    expect([refused.status, (await problemOf(refused)).code]).toEqual([403, "provisioning_limit"]);
    expect(refused.headers.has("retry-after")).toBe(false);
  });
});
