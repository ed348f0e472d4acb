import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { hmacIssuer } from "../../support/hmac-issuer.ts";
import { asOperator, seedTenant } from "../support/worker.ts";

it("POST /admin/v1/issuers/:id/check says why a stored issuer cannot be read", async () => {
  await seedTenant("acme");
  expect((await asOperator("PUT", "/issuers/idp", { ...hmacIssuer.document, tenant: { fixed: "acme" } })).status).toBe(
    201,
  );
  await env.DB.prepare("UPDATE issuers SET sealed_secret = 'sealed-with-a-key-that-is-gone'").run();
  const checked = await asOperator("POST", "/issuers/idp/check", { token: await hmacIssuer.sign("user-1") });
  expect(checked.status).toBe(200);
  expect(await checked.json()).toMatchObject({
    ok: false,
    keys: { from: "registry", reason: expect.stringContaining("MASTER_KEYS") as string },
    problem: { code: "registry_unavailable" },
  });
});

it("POST /admin/v1/issuers/:id/check takes the token alone", async () => {
  await asOperator("PUT", "/issuers/idp", { ...hmacIssuer.document, tenant: { claim: "org" } });
  const checked = await asOperator("POST", "/issuers/idp/check", {
    token: `Bearer ${await hmacIssuer.sign("user-1")}`,
  });
  expect(await checked.json()).toMatchObject({
    status: 400,
    detail: 'token: must be the token alone, without "Bearer"',
  });
});
