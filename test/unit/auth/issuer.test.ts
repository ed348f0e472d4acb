import { describe, expect, it } from "vitest";
import { canHaveScope } from "../../../src/core/auth/rules/issuer.ts";
import { type Scope, SCOPES } from "../../../src/core/auth/rules/scopes.ts";
import { issuer } from "../../support/auth-fixtures.ts";

describe("canHaveScope", () => {
  it("is true for every scope but uploads:copy if a claim names them", () => {
    const scopes = { kind: "claim", claim: "scope" } as const;
    expect(SCOPES.filter((scope) => !canHaveScope({ ...issuer, scopes }, scope))).toEqual(["uploads:copy"]);
  });

  it.each<[string, Parameters<typeof canHaveScope>[0]["scopes"]]>([
    ["a list", { kind: "fixed", scopes: new Set<Scope>(["uploads:copy"]) }],
    ["a map", { kind: "claim", claim: "scope", map: { copies: ["uploads:copy"] } }],
  ])("is true for what %s names", (_, scopes) => {
    expect(SCOPES.filter((scope) => canHaveScope({ ...issuer, scopes }, scope))).toEqual(["uploads:copy"]);
  });
});
