import { describe, expect, it } from "vitest";
import {
  type UploadVisibility,
  canAccess,
  restrictToVisible,
  visibilityOf,
} from "../../../src/core/auth/rules/upload-visibility.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { policyOf } from "../../support/policy-fixtures.ts";

const ALL: UploadVisibility = { kind: "tenant" };
const OWN: UploadVisibility = { kind: "creator", creator: "user-1" };
const NONE: UploadVisibility = { kind: "none" };
const GRANT: UploadVisibility = { kind: "grant", id: "jti-1" };
const jwt = { kind: "jwt" as const, credential: "idp" };

describe("visibilityOf", () => {
  it.each([
    [undefined, undefined, ALL],
    [undefined, "none", ALL],
    ["user-1", undefined, OWN],
    ["user-1", "caller", OWN],
    ["user-1", "client", NONE],
    ["user-1", "tenant", NONE],
    ["user-1", "none", NONE],
  ])("returns for the subject %s and creators from %s: %j", (subject, from, expected) => {
    const policy = [policyOf(from ? { creator: { from } } : {})] as const;
    const caller = subject === undefined ? { kind: "api-key" as const, credential: "k" } : { ...jwt, subject };
    expect(visibilityOf(caller, policy)).toEqual(expected);
  });

  it.each([
    ["without a subject", {}],
    ["with a subject", { subject: "user-1" }],
  ])("returns for a grant %s its id, whatever the policy says about creators", (_, more) => {
    for (const from of ["caller", "client", "tenant", "none"]) {
      const policy = [policyOf({ creator: { from } })] as const;
      expect(visibilityOf({ kind: "grant", credential: "jti-1", ...more }, policy)).toEqual(GRANT);
    }
  });

  it("depends on the tenant's document only", () => {
    const policy = narrow(
      [policyOf({ creator: { from: "client" } })],
      policyOf({ creator: { from: "caller" } }, "grant"),
    );
    expect(visibilityOf({ ...jwt, subject: "user-1" }, policy)).toEqual(NONE);
  });
});

describe("canAccess", () => {
  it.each([
    [ALL, { creator: "user-2" }, true],
    [ALL, {}, true],
    [OWN, { creator: "user-1" }, true],
    [OWN, { creator: "user-2" }, false],
    [OWN, {}, false],
    [NONE, { creator: "user-1" }, false],
    [NONE, {}, false],
    [GRANT, { grant: "jti-1" }, true],
    [GRANT, { grant: "jti-1", creator: "user-2" }, true],
    [GRANT, { grant: "jti-2", creator: "user-1" }, false],
    [GRANT, { creator: "user-1" }, false],
    [GRANT, {}, false],
  ])("with %j to %j: %s", (visibility, upload, expected) => {
    expect(canAccess(visibility, upload)).toBe(expected);
  });
});

describe("restrictToVisible", () => {
  const query = (creator?: string) => ({ limit: 5, ...(creator !== undefined && { creator }) });

  it.each([
    [ALL, query(), query()],
    [ALL, query("user-2"), query("user-2")],
    [OWN, query(), query("user-1")],
    [OWN, query("user-1"), query("user-1")],
    [OWN, query("user-2"), undefined],
    [NONE, query(), undefined],
    [NONE, query("user-1"), undefined],
    [GRANT, query(), undefined],
    [GRANT, query("user-1"), undefined],
  ])("restricts under %j %j to %j", (visibility, query, expected) => {
    expect(restrictToVisible(visibility, query)).toEqual(expected);
  });
});
