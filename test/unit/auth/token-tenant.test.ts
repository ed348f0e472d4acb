import { describe, expect, it } from "vitest";
import { readTenant } from "../../../src/core/auth/rules/token-checks.ts";
import type { Issuer } from "../../../src/core/auth/rules/issuer.ts";
import { issuer } from "../../support/auth-fixtures.ts";

const withMap = (more: object, provision?: Issuer["provision"]): Issuer => ({
  ...issuer,
  tenant: { kind: "claim", claim: "org", map: { org_1: "acme", beta: "beta" }, ...more },
  ...(provision && { provision }),
});
const PROVISION = { plan: "free", maxTenants: 1, maxPerMinute: 1 };
const tenantOf = (from: Issuer, org: unknown) => {
  const { id, toSlug } = readTenant(from, { org });
  return toSlug === undefined ? id : `slug of ${toSlug}`;
};

describe("the tenant of a token whose issuer has a map", () => {
  it.each<[string, Issuer]>([
    ["with slugs", withMap({ transform: "slug" })],
    ["that provisions", withMap({}, PROVISION)],
    ["that provisions slugs", withMap({ transform: "slug" }, PROVISION)],
  ])("is never that of another value, even if the claim is its id: an issuer %s", (_, from) => {
    expect(tenantOf(from, "org_1")).toBe("acme");
    expect(tenantOf(from, "beta")).toBe("beta");
    expect(tenantOf(from, "other")).toBe("other");
    expect(tenantOf(from, "acme")).toBe("");
  });
});
