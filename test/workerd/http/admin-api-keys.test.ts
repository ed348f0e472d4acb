import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { parseApiKey } from "../../../src/core/auth/rules/api-key.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const json = async (answer: Promise<Response>) => (await answer).json<Record<string, unknown>>();

describe("API keys of the admin API", () => {
  it("returns a new key once and stores only its hash", async () => {
    await asOperator("PUT", "/tenants/acme", {});
    const made = await asOperator("POST", "/tenants/acme/keys", {
      name: "backend",
      expiresAt: "2099-01-01T01:00:00+01:00",
    });
    expect(made.status).toBe(201);
    const document = await made.json<{ id: string; key: string }>();
    expect(parseApiKey(document.key)).toEqual({ id: document.id, text: document.key });
    expect(document).toMatchObject({ name: "backend", expiresAt: "2099-01-01T00:00:00.000Z" });

    const listed = await (await asOperator("GET", "/tenants/acme/keys")).text();
    expect(listed).toContain(document.id);
    const stored = JSON.stringify((await env.DB.prepare("SELECT * FROM api_keys").all()).results);
    for (const text of [listed, stored]) expect(text).not.toContain(document.key.slice(21));

    const answer = await request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${document.key}` } });
    expect(answer.status).toBe(200);
  });

  it("rejects a key immediately after its revocation, and revokes a key again without an error", async () => {
    const key = await seedTenant("acme");
    const policy = () => request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect((await policy()).status).toBe(200);
    const path = `/tenants/acme/keys/${parseApiKey(key)?.id}`;
    expect((await asOperator("DELETE", path)).status).toBe(204);
    expect(await codeOf(policy())).toBe("credential_revoked");
    const [revoked] = (await json(asOperator("GET", "/tenants/acme/keys")))["keys"] as { revokedAt: string }[];
    expect((await asOperator("DELETE", path)).status).toBe(204);
    const [again] = (await json(asOperator("GET", "/tenants/acme/keys")))["keys"] as { revokedAt: string }[];
    expect(again?.revokedAt).toBe(revoked?.revokedAt);
  });

  it("returns 404 for a key of another tenant", async () => {
    const key = await seedTenant("acme");
    await seedTenant("other");
    expect((await asOperator("DELETE", `/tenants/other/keys/${parseApiKey(key)?.id}`)).status).toBe(404);
    expect((await asOperator("DELETE", "/tenants/acme/keys/0000000000000000")).status).toBe(404);
    const answer = await request("GET", "/v1/acme/policy", { headers: { Authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(200);
  });

  it("returns 404 if the tenant does not exist", async () => {
    expect(await codeOf(asOperator("POST", "/tenants/nobody/keys", { name: "k" }))).toBe("not_found");
    expect(await codeOf(asOperator("GET", "/tenants/nobody/keys"))).toBe("not_found");
  });

  it("lists keys in pages", async () => {
    await seedTenant("acme");
    await asOperator("POST", "/tenants/acme/keys", { name: "second" });
    const first = await json(asOperator("GET", "/tenants/acme/keys?limit=1"));
    const second = await json(asOperator("GET", `/tenants/acme/keys?limit=1&cursor=${String(first["cursor"])}`));
    const names = [first, second].flatMap(({ keys }) => (keys as { name: string }[]).map(({ name }) => name));
    expect(names.toSorted()).toEqual(["second", "test"]);
  });
});
