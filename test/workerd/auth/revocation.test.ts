import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { TENANT_SETTINGS, seedTenant } from "../support/worker.ts";
import { ADMITTED, codeOf, codesAfter, isolate, mint, operator, seedIssuer } from "./isolates.ts";

/** A credential for one creation before the revocation and one after it. They differ for grants, which are for one upload. */
type Known = readonly [before: string, again: string];
const twice = (credential: string): Known => [credential, credential];

describe("createUpload after a revocation", () => {
  it("refuses a creation in every isolate after the revocation of its key was answered", async () => {
    const key = await seedTenant("acme");
    const isolates = Array.from({ length: 5 }, isolate);
    for (const create of isolates) expect(await codeOf(create(key))).toBe(ADMITTED);

    await operator().apiKeys.revoke("acme", key.split("_")[1] ?? "");
    for (const create of isolates) expect(await codeOf(create(key))).toBe("credential_revoked");
  });

  it("refuses a creation after the tenant was suspended or its policy narrowed", async () => {
    const key = await seedTenant("acme");
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);

    await operator().tenants.put("acme", { ...TENANT_SETTINGS, policy: { upload: { maxBytes: 4 } } });
    expect(await codeOf(create(key))).toBe("upload_too_large");
    const other = isolate();
    await operator().tenants.put("acme", TENANT_SETTINGS);
    expect(await codeOf(other(key))).toBe(ADMITTED);
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, suspended: true });
    expect(await codeOf(other(key))).toBe("tenant_suspended");
  });

  it("refuses a creation after the tenant was deleted", async () => {
    const key = await seedTenant("acme");
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await operator().tenants.delete("acme");
    expect(await codeOf(create(key))).toBe("credential_invalid");
  });

  it("refuses a creation if the tenant was changed and deleted in the same millisecond", async () => {
    const key = await seedTenant("acme");
    const time = Date.now() + 1;
    const store = operator(() => time);
    await store.tenants.put("acme", { ...TENANT_SETTINGS, name: "Acme" });
    const create = isolate();
    expect(await codeOf(create(key))).toBe(ADMITTED);
    await store.tenants.delete("acme");
    expect(await codeOf(create(key))).toBe("credential_invalid");
  });

  it("refuses creations after a database restore until the operator raises the tenant versions", async () => {
    const key = await seedTenant("acme");
    const before = Date.now() - 24 * 60 * 60 * 1000;
    await operator().tenants.put("acme", { ...TENANT_SETTINGS, name: "Acme" });
    await env.DB.prepare("UPDATE tenants SET version = ?").bind(before).run();
    const create = isolate();
    expect(await codeOf(create(key))).toBe("tenant_changing");
    // The statement in docs/operations.md.
    await env.DB.exec("UPDATE tenants SET version = max(version + 1, (unixepoch() + 1) * 1000)");
    expect(await codeOf(create(key))).toBe(ADMITTED);
    expect(await codeOf(isolate()(key))).toBe(ADMITTED);
    // Later changes take effect as usual.
    await operator().apiKeys.revoke("acme", key.split("_")[1] ?? "");
    expect(await codeOf(create(key))).toBe("credential_revoked");
  });

  it("refuses every creation under load from the answer of the revocation on", async () => {
    const key = await seedTenant("acme");
    const afterAnswer = await codesAfter(() => operator().apiKeys.revoke("acme", key.split("_")[1] ?? ""), key);
    expect(afterAnswer.length).toBeGreaterThan(0);
    expect(new Set(afterAnswer)).toEqual(new Set(["credential_revoked"]));
  });

  it.each<[string, (token: string) => Promise<Known>, (credential: string) => Promise<unknown>, string]>([
    [
      "a key",
      async () => twice(await seedTenant("acme")),
      (key) => operator().apiKeys.revoke("acme", key.split("_")[1] ?? ""),
      "credential_revoked",
    ],
    ["a JWT", async (token) => twice(token), () => operator().issuers.delete("idp"), "credential_unknown_issuer"],
    [
      "a grant",
      async (token) => [await mint(token), await mint(token)],
      () => operator().issuers.delete("idp"),
      "credential_revoked",
    ],
  ])(
    "refuses %s that is cached from before, after its tenant was read again for another caller",
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
});
