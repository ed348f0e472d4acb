import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import type { SecretHashes } from "../../../src/core/ports/hashes.ts";
import { decideUpload } from "../../../src/core/policy/decide-upload.ts";
import { personToDigest } from "../../../src/core/policy/rules/creator.ts";
import { parsePolicy } from "../../../src/core/policy/rules/parse-policy.ts";
import { codeOf, policyOf, requestOf } from "../../support/policy-fixtures.ts";

describe("decideCreator", () => {
  const person = { namespace: "auth0", subject: "user-1" };
  const jwt = { caller: { tenant: "acme", kind: "jwt" as const, person } };

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
      // It names the person, also where Stream is not told.
      expect(codeOf({ creator: { from: "none" } }, requestOf({}, { creator }))).toBe("creator_invalid");
      expect(codeOf({ creator: { from: "client" } }, requestOf({}, { ...jwt, creator }))).toBe("creator_invalid");
      expect(codeOf({}, requestOf({}, { ...jwt, creator }))).toBe("accepted");
    },
  );

  it.each(["caller", "client", "tenant", "none"])("finds the person whatever the creator is taken from: %s", (from) => {
    const personOf = (more: object) => {
      const { result } = applyPolicy([policyOf({ creator: { from } })], requestOf({}, more));
      return result.ok && result.value.person;
    };
    expect(personOf({ ...jwt, creator: "user-2" })).toEqual(person);
    expect(personOf({ creator: "user-2" })).toEqual({ namespace: "tenant", subject: "user-2" });
    expect(personOf({})).toBeUndefined();
    expect(personOf({ caller: { tenant: "acme", kind: "grant" }, creator: "user-2" })).toBeUndefined();
  });

  it.each([
    ["caller", "a/", jwt, "a/user-1", undefined],
    ["caller", "a/", { creator: "user-2" }, "a/user-2", undefined],
    ["client", "a/", { ...jwt, creator: "user-2" }, "a/user-2", undefined],
    ["client", "a/", { creator: "c".repeat(63) }, "a/digest", { namespace: "tenant", subject: "c".repeat(63) }],
    ["tenant", "a/", jwt, "a/acme", undefined],
    ["none", "a/", jwt, undefined, undefined],
    [undefined, "a/", jwt, "a/user-1", undefined],
    [
      "caller",
      undefined,
      { caller: { ...jwt.caller, person: { ...person, subject: "ä" } } },
      "digest",
      { ...person, subject: "ä" },
    ],
    ["caller", "x".repeat(20), jwt, `${"x".repeat(20)}user-1`, undefined],
  ])("from %s with the prefix %s for %j: %s", (from, prefix, more, creator, digested) => {
    const policy = [policyOf({ creator: { ...(from && { from }), ...(prefix && { prefix }) } })] as const;
    const request = requestOf({}, more);
    expect(personToDigest(policy, request)).toEqual(digested);
    const { result } = applyPolicy(policy, { ...request, creatorDigest: "digest" });
    expect(result.ok && result.value.creator).toBe(creator);
  });

  const hashes = {
    shortDigest: async (text) => createHash("sha256").update(text).digest("base64url"),
  } as Partial<SecretHashes> as SecretHashes;

  it("tells Stream at most 64 characters of the longest subject and prefix", async () => {
    const caller = { ...jwt.caller, person: { ...person, subject: "🎬".repeat(255) } };
    const policy = policyOf({ creator: { prefix: "p".repeat(20) } });
    const { result } = await decideUpload(hashes, [policy], requestOf({}, { caller }));
    expect(result.ok && result.value.creator).toMatch(/^p{20}[\w-]{43}$/);
  });

  it("refuses two documents with different prefixes", () => {
    const policy = narrow([policyOf({ creator: { prefix: "a" } })], policyOf({ creator: { prefix: "b" } }, "grant"));
    expect(applyPolicy(policy, requestOf({}, jwt)).result).toMatchObject({
      problem: { code: "policy_conflict", key: "creator" },
    });
  });

  it.each(["", " a", "a\n", "ä", "x".repeat(21), 5])("refuses the prefix %j in a document", (prefix) => {
    expect(parsePolicy({ creator: { prefix } }, "policy")).toMatchObject({
      problem: { code: "body_invalid", key: "policy.creator.prefix" },
    });
  });

  it("lets a grant fix a creator that the tenant leaves open, and refuses a contradiction", () => {
    const creator = (a: string, b: string) => {
      const policy = narrow([policyOf({ creator: { from: a } })], policyOf({ creator: { from: b } }, "grant"));
      const { result } = applyPolicy(
        policy,
        requestOf({}, { caller: { tenant: "acme", kind: "grant", person: { namespace: "tenant", subject: "u" } } }),
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
    ["none", { creator: "ä" }, { outcome: "refused", requested: "ä", rule: "stream.creator" }],
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
