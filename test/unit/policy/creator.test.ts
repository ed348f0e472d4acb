import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { codeOf, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("decideCreator", () => {
  const jwt = { caller: { tenant: "acme", kind: "jwt" as const, subject: "user-1" } };

  it.each([
    ["caller", { ...jwt, creator: "someone-else" }, "user-1"],
    ["caller", { creator: "user-2" }, "user-2"],
    ["caller", {}, undefined],
    ["client", { ...jwt, creator: "user-2" }, "user-2"],
    ["client", jwt, undefined],
    ["tenant", { ...jwt, creator: "user-2" }, "acme"],
    ["tenant", { creator: "user-2" }, "acme"],
    ["none", { ...jwt, creator: "user-2" }, undefined],
    ["none", { creator: "user-2" }, undefined],
    [undefined, { ...jwt, creator: "someone-else" }, "user-1"],
  ])("takes the creator from %s for %j: %s", (from, more, creator) => {
    const { result } = applyPolicy([policyOf(from ? { creator: { from } } : {})], requestOf({}, more));
    expect(result.ok && result.value.creator).toBe(creator);
  });

  it.each(["c".repeat(65), "a\r\nX-Evil: 1", "ä", " a", "a\0"])(
    "refuses a creator that cannot be sent in a header: %j",
    (creator) => {
      expect(codeOf({}, requestOf({}, { creator }))).toBe("creator_invalid");
      expect(codeOf({}, requestOf({}, { caller: { ...jwt.caller, subject: creator } }))).toBe("creator_invalid");
    },
  );

  it("lets a grant fix a creator that the tenant leaves open, and refuses a contradiction", () => {
    const creator = (a: string, b: string) => {
      const policy = narrow([policyOf({ creator: { from: a } })], policyOf({ creator: { from: b } }, "grant"));
      const { result } = applyPolicy(
        policy,
        requestOf({}, { caller: { tenant: "acme", kind: "grant", subject: "u" } }),
      );
      return result.ok ? result.value.creator : result.problem.code;
    };
    expect(creator("client", "caller")).toBe("u");
    expect(creator("caller", "client")).toBe("u");
    expect(creator("caller", "caller")).toBe("u");
    expect(creator("caller", "tenant")).toBe("policy_conflict");
  });

  it("accepts a creator of 64 characters", () => {
    expect(codeOf({}, requestOf({}, { creator: "c".repeat(64) }))).toBe("accepted");
  });

  it.each<[from: string, more: Partial<ReturnType<typeof requestOf>>, explanation: object]>([
    ["caller", { creator: "user-2" }, { outcome: "accepted", requested: "user-2", applied: "user-2" }],
    ["caller", jwt, { outcome: "forced", applied: "user-1", rule: "policy.creator.from" }],
    ["caller", { ...jwt, creator: "user-1" }, { outcome: "accepted", requested: "user-1", applied: "user-1" }],
    [
      "caller",
      { ...jwt, creator: "user-2" },
      { outcome: "forced", requested: "user-2", applied: "user-1", rule: "policy.creator.from" },
    ],
    ["client", {}, { outcome: "absent" }],
    ["none", { creator: "user-2" }, { outcome: "dropped", requested: "user-2" }],
    ["none", {}, { outcome: "absent" }],
    ["client", { creator: "ä" }, { outcome: "refused", requested: "ä", rule: "stream.creator" }],
    ["caller", { caller: { ...jwt.caller, subject: "ä" } }, { outcome: "refused", rule: "policy.creator.from" }],
  ])("explains the creator from %s for %j", (from, more, explanation) => {
    const { explanations } = applyPolicy([policyOf({ creator: { from } })], requestOf({}, more));
    expect(explanations.find(({ key }) => key === "creator")).toEqual({ key: "creator", ...explanation });
  });

  it("leaves the creator to the tenant's document if the grant's does not say", () => {
    const policy = narrow([policyOf({ creator: { from: "client" } })], policyOf({}, "grant"));
    const { result } = applyPolicy(policy, requestOf({}, { ...jwt, creator: "user-2" }));
    expect(result).toMatchObject({ ok: true, value: { creator: "user-2" } });
  });
});
