import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { RegistryUnavailable } from "../../../src/core/shared/registry-unavailable.ts";
import type { AdminRegistry } from "../../../src/core/ports/admin-registry.ts";
import { createAdminRegistry } from "../../../src/adapters/d1/admin-registry.ts";
import { asOperator } from "../support/worker.ts";
import {
  ADMITTED,
  ISSUER_CHANGES,
  ISSUER,
  codeOf,
  isolate,
  mint,
  onTenantChanged,
  operator,
  putIssuer,
  encryption,
  seedIssuer,
} from "./isolates.ts";

describe("createUpload after a change of the issuer", () => {
  it.each(ISSUER_CHANGES)("refuses a JWT if its issuer %s", async (_, change, code) => {
    const token = await seedIssuer();
    const create = isolate();
    expect(await codeOf(create(token))).toBe(ADMITTED);
    await change(operator());
    expect(await codeOf(create(token))).toBe(code);
  });
});

describe("an issuer that a concurrent call puts", () => {
  const duringNotification = (work: () => Promise<unknown>) => {
    let other: typeof work | undefined = work;
    return createAdminRegistry(env.DB, encryption, Date.now, {
      onWrite: () => {},
      onPlanChanged: async () => 0,
      async onTenantChanged(...change) {
        await onTenantChanged(...change);
        const now = other;
        other = undefined;
        await now?.();
      },
    });
  };

  it("is deleted, with the tenant notified, if the put comes during the deletion", async () => {
    const token = await seedIssuer();
    const create = isolate();
    const store = duringNotification(async () => {
      await operator().issuers.put("idp", ISSUER);
      expect(await codeOf(create(token))).toBe(ADMITTED);
    });
    expect(await store.issuers.delete("idp")).toBe(true);
    expect(await codeOf(create(token))).toBe("credential_unknown_issuer");
  });

  it("stays as it was put, if the put comes during a move from another tenant", async () => {
    const token = await seedIssuer();
    await operator().issuers.put("idp", { ...ISSUER, tenant: { fixed: "other" } });
    const store = duringNotification(() => operator().issuers.put("idp", ISSUER));
    const moved = store.issuers.put("idp", { ...ISSUER, tenant: { claim: "org" } });
    await expect(moved).rejects.toBeInstanceOf(RegistryUnavailable);
    expect(await codeOf(isolate()(token))).toBe(ADMITTED);
  });
});

/** The operator, in an isolate that loses its connection once: at a step, before or after it is done. */
function interrupted(at: number, when: "before" | "after"): AdminRegistry {
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
  return createAdminRegistry(db, encryption, Date.now, {
    onWrite: () => {},
    onPlanChanged: async () => 0,
    onTenantChanged: (...change) => step(() => onTenantChanged(...change)),
  });
}

describe.each(["before", "after"] as const)("an operator call that fails %s one of its steps is done", (when) => {
  it.each(ISSUER_CHANGES)("takes effect when it is repeated: an issuer %s", async (_, change, code) => {
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
});

describe("a grant of an issuer", () => {
  it.each<[string, (store: AdminRegistry) => Promise<unknown>]>([
    ["is deleted", (store) => store.issuers.delete("idp")],
    ["moves to another tenant", putIssuer({ tenant: { fixed: "other" } })],
    ["may no longer mint", putIssuer({ scopes: ["uploads:create"] })],
  ])("is revoked if the issuer of the JWT that minted it %s", async (_, change) => {
    const token = await seedIssuer();
    const [first, second] = [await mint(token), await mint(token)];
    const create = isolate();
    expect(await codeOf(create(first))).toBe(ADMITTED);
    await change(operator());
    expect(await codeOf(create(second))).toBe("credential_revoked");
  });

  it("stays valid if a change leaves the issuer its right to mint", async () => {
    const grant = await mint(await seedIssuer());
    await operator().issuers.put("idp", { ...ISSUER, audiences: ["another"] });
    expect(await codeOf(isolate()(grant))).toBe(ADMITTED);
  });
});
