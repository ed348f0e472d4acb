import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../../src/core/auth/rules/scopes.ts";
import { asOperator, codeOf, request, seedTenant } from "../support/worker.ts";

const OF_0_1 = ["uploads:create", "uploads:read", "uploads:delete", "grants:create", "policy:read", "usage:read"];

async function scopesOfKeys(): Promise<Record<string, string[]>> {
  const { keys } = await (
    await asOperator("GET", "/tenants/acme/keys")
  ).json<{ keys: { name: string; scopes: string[] }[] }>();
  return Object.fromEntries(keys.map(({ name, scopes }) => [name, scopes]));
}

describe("the scopes of an API key", () => {
  it("are those that it was created with", async () => {
    await seedTenant("acme", {}, { name: "all" });
    for (const [name, scopes] of [
      ["all of 0.1", OF_0_1],
      ["one", ["uploads:copy"]],
    ] as const) {
      const created = await asOperator("POST", "/tenants/acme/keys", { name, scopes });
      expect(await created.json()).toMatchObject({ scopes });
    }
    expect(await scopesOfKeys()).toEqual({ all: SCOPES, "all of 0.1": OF_0_1, one: ["uploads:copy"] });
  });

  it("are all scopes for a key of version 0.1 that had all", async () => {
    const key = await seedTenant("acme", {}, { name: "all" });
    const store = (scopes: readonly string[]) =>
      env.DB.prepare("UPDATE api_keys SET scopes = ?").bind(JSON.stringify(scopes)).run();
    await store(OF_0_1);
    expect(await scopesOfKeys()).toEqual({ all: SCOPES });
    await store(OF_0_1.filter((scope) => scope !== "usage:read"));
    const usage = request("GET", "/v1/acme/usage", { headers: { Authorization: `Bearer ${key}` } });
    expect(await codeOf(usage)).toBe("scope_missing");
    expect((await scopesOfKeys())["all"]).toHaveLength(5);
  });
});
