import { describe, expect, it } from "vitest";
import { applyPolicy } from "../../../src/core/policy/rules/apply.ts";
import { maxUploadBytes, originAllowed } from "../../../src/core/policy/rules/upload-checks.ts";
import { narrow, parsePolicy } from "../../../src/core/policy/rules/policy.ts";
import { policyOf, requestOf } from "../../support/policy-fixtures.ts";

type Request = ReturnType<typeof requestOf>;

/** What goes upstream beyond the two keys that always do, or the code of the refusal. */
function apply(metadataRules: object, metadata: Record<string, string>, more: Partial<Request> = {}): unknown {
  const { result } = applyPolicy([policyOf({ metadata: metadataRules })], { ...requestOf(metadata), ...more });
  if (!result.ok) return result.problem.code;
  const { maxdurationseconds, expiry, ...rest } = Object.fromEntries(result.value.metadata);
  return {
    ...rest,
    ...(maxdurationseconds !== "14400" && { maxdurationseconds }),
    ...(expiry !== "2026-11-22T12:30:00Z" && { expiry }),
  };
}

function code(policy: object, request: Request): string {
  const { result } = applyPolicy([policyOf(policy)], request);
  return result.ok ? "accepted" : result.problem.code;
}

describe("the eight keys, each verb", () => {
  it.each<[key: string, rule: object | undefined, asked: string | undefined, applied: unknown]>([
    // name
    ["name", undefined, "Cats", "Cats"],
    ["name", undefined, undefined, undefined],
    ["name", { default: "Untitled" }, undefined, "Untitled"],
    ["name", { default: "Untitled" }, "", "Untitled"],
    ["name", { default: "Untitled" }, "Cats", "Cats"],
    ["name", { force: "Fixed" }, "Cats", "Fixed"],
    ["name", { required: true }, undefined, "policy_violation"],
    ["name", { required: true }, "Cats", "Cats"],
    ["name", { deny: true }, "Cats", "policy_violation"],
    ["name", { deny: true, onViolation: "drop" }, "Cats", undefined],
    ["name", { deny: true, onViolation: "drop", default: "Untitled" }, "Cats", "Untitled"],
    ["name", { maxLength: 2 }, "Cats", "policy_violation"],
    ["name", { maxLength: 2, onViolation: "clamp" }, "Cats", "Ca"],
    ["name", { maxLength: 2, onViolation: "clamp" }, "🎬🎬🎬", "🎬🎬"],
    ["name", { maxLength: 2, onViolation: "drop" }, "Cats", undefined],
    ["name", { pattern: "[A-Z][a-z]*" }, "Cats", "Cats"],
    ["name", { pattern: "[A-Z][a-z]*" }, "my Cats", "policy_violation"],
    ["name", { pattern: "[A-Z][a-z]*", onViolation: "clamp" }, "my Cats", "policy_violation"],
    ["name", { oneOf: ["a", "b"] }, "b", "b"],
    ["name", { oneOf: ["a", "b"] }, "c", "policy_violation"],
    // maxdurationseconds
    ["maxdurationseconds", undefined, "60", "60"],
    ["maxdurationseconds", { default: 600, max: 3600 }, undefined, "600"],
    ["maxdurationseconds", { max: 3600 }, undefined, "3600"],
    ["maxdurationseconds", { max: 3600 }, "3600", "3600"],
    ["maxdurationseconds", { max: 3600 }, "3601", "policy_violation"],
    ["maxdurationseconds", { max: 3600, onViolation: "clamp" }, "99999", "3600"],
    ["maxdurationseconds", { min: 60, onViolation: "clamp" }, "5", "60"],
    ["maxdurationseconds", { max: 3600, default: 600, onViolation: "drop" }, "99999", "600"],
    ["maxdurationseconds", { oneOf: [30, 60] }, "30", "30"],
    ["maxdurationseconds", { oneOf: [30, 60] }, "45", "policy_violation"],
    ["maxdurationseconds", { force: 60 }, "3600", "60"],
    ["maxdurationseconds", undefined, "0", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "36001", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "1e3", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "-5", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "060", "metadata_value_invalid"],
    ["maxdurationseconds", undefined, "60.5", "metadata_value_invalid"],
    ["maxdurationseconds", { onViolation: "drop", default: 60 }, "soon", "60"],
    ["maxdurationseconds", { onViolation: "clamp", max: 60 }, "soon", "metadata_value_invalid"],
    // requiresignedurls: its presence means true, whatever its value
    ["requiresignedurls", undefined, "", ""],
    ["requiresignedurls", undefined, "false", ""],
    ["requiresignedurls", undefined, undefined, undefined],
    ["requiresignedurls", { force: true }, undefined, ""],
    ["requiresignedurls", { force: false }, "true", undefined],
    ["requiresignedurls", { default: true }, undefined, ""],
    ["requiresignedurls", { required: true }, undefined, "policy_violation"],
    ["requiresignedurls", { deny: true }, "", "policy_violation"],
    // allowedorigins: nothing means anywhere
    ["allowedorigins", undefined, "A.example, b.example,a.example", "a.example,b.example"],
    ["allowedorigins", undefined, "a.example,,b.example,", "a.example,b.example"],
    ["allowedorigins", undefined, "", undefined],
    ["allowedorigins", undefined, "https://a.example", "metadata_value_invalid"],
    ["allowedorigins", undefined, "a.example,https://b.example", "metadata_value_invalid"],
    ["allowedorigins", undefined, "a.example/path", "metadata_value_invalid"],
    ["allowedorigins", undefined, "localhost", "metadata_value_invalid"],
    ["allowedorigins", undefined, ",", "metadata_value_invalid"],
    ["allowedorigins", { within: ["acme.com"] }, " , ", "metadata_value_invalid"],
    ["allowedorigins", { within: ["acme.com"], default: ["acme.com"], onViolation: "drop" }, ",", "acme.com"],
    ["allowedorigins", undefined, "a b", "metadata_value_invalid"],
    ["allowedorigins", undefined, "localhost:3000", "localhost:3000"],
    ["allowedorigins", { default: ["app.acme.com"], within: ["acme.com", "*.acme.com"] }, undefined, "app.acme.com"],
    ["allowedorigins", { within: ["acme.com", "*.acme.com"] }, "acme.com,x.y.acme.com", "acme.com,x.y.acme.com"],
    ["allowedorigins", { within: ["*.acme.com"] }, "*.x.acme.com", "*.x.acme.com"],
    ["allowedorigins", { within: ["*.acme.com"] }, "acme.com", "policy_violation"],
    ["allowedorigins", { within: ["*.acme.com"] }, "evilacme.com", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, "acme.com:8080", "policy_violation"],
    ["allowedorigins", { within: ["x.acme.com"] }, "*.acme.com", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "clamp" }, "evil.example,acme.com", "acme.com"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "clamp" }, "evil.example", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, undefined, "policy_violation"],
    ["allowedorigins", { within: ["acme.com"] }, "", "policy_violation"],
    ["allowedorigins", { within: ["acme.com"], onViolation: "drop" }, "evil.example", "policy_violation"],
    [
      "allowedorigins",
      { within: ["acme.com"], onViolation: "drop", default: ["acme.com"] },
      "evil.example",
      "acme.com",
    ],
    ["allowedorigins", { force: ["acme.com"] }, "evil.example", "acme.com"],
    // thumbnailtimestamppct
    ["thumbnailtimestamppct", undefined, "0.5", "0.5"],
    ["thumbnailtimestamppct", undefined, ".25", "0.25"],
    ["thumbnailtimestamppct", undefined, "1.000", "1"],
    ["thumbnailtimestamppct", undefined, "0.00000001", "0"],
    ["thumbnailtimestamppct", undefined, "1.1", "metadata_value_invalid"],
    ["thumbnailtimestamppct", undefined, "-0.1", "metadata_value_invalid"],
    ["thumbnailtimestamppct", undefined, "NaN", "metadata_value_invalid"],
    ["thumbnailtimestamppct", { min: 0.2, max: 0.8, onViolation: "clamp" }, "0.9", "0.8"],
    ["thumbnailtimestamppct", { default: 0.5 }, undefined, "0.5"],
    // watermark
    ["watermark", undefined, "w".repeat(32), "w".repeat(32)],
    ["watermark", undefined, "w".repeat(33), "metadata_value_invalid"],
    ["watermark", { oneOf: ["w1"] }, "w2", "policy_violation"],
    ["watermark", { oneOf: ["w1"] }, undefined, undefined],
    ["watermark", { force: "w1" }, "w2", "w1"],
    // scheduleddeletion: nothing means never
    ["scheduleddeletion", undefined, undefined, undefined],
    ["scheduleddeletion", { default: "P90D" }, undefined, "2027-02-20T12:00:00Z"],
    // Stream's least, and what a creation takes to get there
    ["scheduleddeletion", { default: "P30D" }, undefined, "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { max: "P30D", onViolation: "clamp" }, "2027-02-20T12:00:00Z", "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { min: "P30D", onViolation: "clamp" }, "2026-12-01T00:00:00Z", "2026-12-22T12:01:00Z"],
    ["scheduleddeletion", { max: "P60D" }, undefined, "policy_violation"],
    ["scheduleddeletion", { max: "P60D", onViolation: "clamp" }, undefined, "2027-01-21T12:00:00Z"],
    ["scheduleddeletion", { min: "P60D", onViolation: "clamp" }, "2026-12-30T00:00:00Z", "2027-01-21T12:00:00Z"],
    ["scheduleddeletion", { max: "P60D" }, "2027-02-20T12:00:00Z", "policy_violation"],
    ["scheduleddeletion", undefined, "2026-12-01T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2036-12-01T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2027-02-30T00:00:00Z", "metadata_value_invalid"],
    ["scheduleddeletion", undefined, "2027-02-20", "metadata_value_invalid"],
    // expiry
    ["expiry", undefined, "2026-11-22T13:00:00Z", "2026-11-22T13:00:00Z"],
    ["expiry", undefined, "2026-11-22T14:00:00.5+01:00", "2026-11-22T13:00:00Z"],
    ["expiry", undefined, "2026-11-22T12:01:59Z", "metadata_value_invalid"],
    ["expiry", undefined, "2026-11-22T18:00:01Z", "metadata_value_invalid"],
    ["expiry", undefined, "tomorrow", "metadata_value_invalid"],
    ["expiry", { max: "PT1H" }, "2026-11-22T14:00:00Z", "policy_violation"],
    ["expiry", { max: "PT1H", onViolation: "clamp" }, "2026-11-22T14:00:00Z", "2026-11-22T13:00:00Z"],
    ["expiry", { max: "PT10M" }, undefined, "2026-11-22T12:10:00Z"],
    ["expiry", { default: "PT2H" }, undefined, "2026-11-22T14:00:00Z"],
    ["expiry", { force: "PT2H" }, "2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z"],
    ["expiry", { force: "PT2M" }, undefined, "2026-11-22T12:03:00Z"],
  ])("%s %j: %j → %j", (key, rule, asked, applied) => {
    const outcome = apply(rule ? { [key]: rule } : {}, asked === undefined ? {} : { [key]: asked });
    const refused = typeof applied === "string" && /^[a-z]+_[a-z_]+$/.test(applied);
    expect(outcome).toEqual(refused ? applied : applied === undefined ? {} : { [key]: applied });
  });

  it("expiry auto is the length at 2 Mbit/s where that is more than half an hour, and 6 hours at most", () => {
    const auto = { expiry: { default: "auto" } };
    expect(apply(auto, {}, { length: 450_000_000 })).toEqual({});
    expect(apply(auto, {}, { length: 450_000_001 })).toEqual({ expiry: "2026-11-22T12:30:01Z" });
    expect(apply(auto, {}, { length: 30_000_000_000 })).toEqual({ expiry: "2026-11-22T18:00:00Z" });
  });
});

describe("other keys", () => {
  it("are dropped where no rule lets them through", () => {
    expect(apply({}, { relativepath: "null", type: "video/mp4", project: "p1" })).toEqual({});
  });

  it("are refused where the policy says so, but for what uploaders send by themselves", () => {
    const rejecting = { "*": { onViolation: "reject" } };
    expect(apply(rejecting, { project: "p1" })).toBe("policy_violation");
    expect(apply(rejecting, { filename: "a.mp4", filetype: "video/mp4" })).toEqual({ name: "a.mp4" });
  });

  it("are let through by name, within the bounds of *", () => {
    const rules = { "*": { allow: ["project"], maxLength: 3, onViolation: "reject" } };
    expect(apply(rules, { project: "p1" })).toEqual({ project: "p1" });
    expect(apply(rules, { project: "p1234" })).toBe("policy_violation");
  });

  it("may have a rule of their own", () => {
    const rules = { project: { required: true, pattern: "p[0-9]+" }, plan: { force: "free" } };
    expect(apply(rules, { project: "p12", plan: "gold" })).toEqual({ project: "p12", plan: "free" });
    expect(apply(rules, {})).toBe("policy_violation");
    expect(apply(rules, { project: "x" })).toBe("policy_violation");
    // An empty value is none.
    expect(apply({ project: { required: true } }, { project: "" })).toBe("policy_violation");
  });

  it("never carry Sluice's own keys", () => {
    expect(apply({ "*": { allow: ["project"] } }, { sluice: "acme/1", grant: "token" })).toEqual({});
    expect(apply({ "*": { onViolation: "reject" } }, { sluice: "acme/1", grant: "token" })).toEqual({});
  });

  it("let filename stand in for a missing name", () => {
    expect(apply({}, { filename: "a.mp4" })).toEqual({ name: "a.mp4" });
    expect(apply({}, { filename: "a.mp4", name: "" })).toEqual({ name: "a.mp4" });
    expect(apply({}, { filename: "a.mp4", name: "Cats" })).toEqual({ name: "Cats" });
    expect(apply({ name: { deny: true, onViolation: "drop" } }, { filename: "a.mp4" })).toEqual({});
  });
});

describe("length, file type and origin", () => {
  it.each([
    [{ maxBytes: 1_000 }, 1_000, "accepted"],
    [{ maxBytes: 999 }, 1_000, "upload_too_large"],
    [{ minBytes: 1_001 }, 1_000, "upload_too_small"],
    [{ minBytes: 1 }, 0, "upload_too_small"],
    [{}, 0, "accepted"],
  ])("upload %j, length %d: %s", (upload, length, expected) => {
    expect(code({ upload }, requestOf({}, { length }))).toBe(expected);
  });

  it.each([
    ["video/mp4", "accepted"],
    ["VIDEO/WebM;codecs=vp9", "accepted"],
    ["audio/mpeg", "accepted"],
    ["audio/wav", "file_type_not_allowed"],
    ["videos/mp4", "file_type_not_allowed"],
    ["", "file_type_not_allowed"],
    [undefined, "file_type_not_allowed"],
  ])("filetype %j: %s", (filetype, expected) => {
    const policy = { upload: { fileTypes: ["video/*", "audio/mpeg"] } };
    expect(code(policy, requestOf(filetype === undefined ? {} : { filetype }))).toBe(expected);
  });

  it.each([
    ["https://app.acme.com", true],
    ["https://x.y.acme.dev", true],
    ["https://acme.dev", false],
    ["http://app.acme.com", false],
    ["http://app.acme.dev", false],
    ["https://app.acme.com:8443", false],
    ["https://app.acme.com.evil.example", false],
    ["null", false],
  ])("origin %s: %s", (origin, allowed) => {
    const policy = { origins: ["https://app.acme.com", "https://*.acme.dev"] };
    expect(originAllowed([policyOf(policy)], origin)).toBe(allowed);
    expect(code(policy, requestOf({}, { origin }))).toBe(allowed ? "accepted" : "origin_not_allowed");
  });

  it("any origin where none is listed; no browser where the list is empty", () => {
    expect(originAllowed([policyOf({})], "https://any.example")).toBe(true);
    expect(originAllowed([policyOf({ origins: [] })], "https://any.example")).toBe(false);
    expect(code({ origins: [] }, requestOf())).toBe("accepted");
  });
});

describe("the creator", () => {
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
  ])("from %s, %j: %s", (from, more, creator) => {
    const { result } = applyPolicy([policyOf(from ? { creator: { from } } : {})], requestOf({}, more));
    expect(result.ok && result.value.creator).toBe(creator);
  });

  it.each(["c".repeat(65), "a\r\nX-Evil: 1", "ä", " a", "a\0"])(
    "is refused where it could not be a header: %j",
    (creator) => {
      expect(code({}, requestOf({}, { creator }))).toBe("creator_invalid");
      expect(code({}, requestOf({}, { caller: { ...jwt.caller, subject: creator } }))).toBe("creator_invalid");
    },
  );
});

describe("a document", () => {
  it.each([
    { thumbnailtimestamppct: { force: 1e-7 } },
    { thumbnailtimestamppct: { min: 0.123_456_7 } },
    { maxdurationseconds: { max: 60.5 } },
    { scheduleddeletion: { default: "P29D" } },
    { expiry: { force: "PT7H" } },
    { expiry: { max: "PT1M" } },
    { expiry: { min: "PT7H" } },
    { scheduleddeletion: { max: "P10D", onViolation: "clamp" } },
    { maxdurationseconds: { min: 100, max: 50 } },
    { allowedorigins: { default: ["localhost"] } },
    { scheduleddeletion: { default: "auto" } },
  ])("that could only lead to what Stream does not take is refused: %j", (metadata) => {
    expect(parsePolicy({ metadata }, "policy")).toMatchObject({ ok: false, problem: { code: "body_invalid" } });
  });
});

it.each([
  { expiry: { min: "PT1M", max: "P1D" } },
  { scheduleddeletion: { min: "P30D", max: "P30D" } },
  { maxdurationseconds: { min: 50, max: 50, oneOf: [50, 100] } },
])("a document may say more than Stream does, and leave a single value: %j", (metadata) => {
  expect(parsePolicy({ metadata }, "policy")).toMatchObject({ ok: true });
});

describe("a grant's policy", () => {
  const apply = (policy: object, grant: object, metadata: Record<string, string>) => {
    const { result } = applyPolicy(narrow([policyOf(policy)], policyOf(grant, "grant")), requestOf(metadata));
    return result.ok ? Object.fromEntries(result.value.metadata) : result.problem.code;
  };
  const rules = (metadata: object) => ({ metadata });

  it("narrows bounds, and cannot widen them", () => {
    const tenant = rules({ maxdurationseconds: { default: 600, max: 3600 } });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 9000 } }), { maxdurationseconds: "5000" })).toBe(
      "policy_violation",
    );
    expect(apply(tenant, rules({ maxdurationseconds: { default: 1200 } }), {})).toMatchObject({
      maxdurationseconds: "1200",
    });
    expect(apply(tenant, rules({ maxdurationseconds: { force: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
  });

  it("cannot force what the tenant forbids, nor undo what it forces", () => {
    expect(apply(rules({ maxdurationseconds: { max: 60 } }), rules({ maxdurationseconds: { force: 61 } }), {})).toBe(
      "policy_conflict",
    );
    expect(
      apply(rules({ requiresignedurls: { force: true } }), rules({ requiresignedurls: { force: false } }), {}),
    ).toBe("policy_conflict");
    expect(
      apply(rules({ requiresignedurls: { force: true } }), rules({ requiresignedurls: { deny: true } }), {}),
    ).toEqual(expect.objectContaining({ requiresignedurls: "" }));
    // No client can take the key away; so no grant can.
    const signed = rules({ requiresignedurls: { default: true } });
    expect(apply(signed, rules({ requiresignedurls: { default: false } }), {})).toEqual(
      expect.objectContaining({ requiresignedurls: "" }),
    );
    expect(apply(signed, rules({ requiresignedurls: { force: false } }), {})).toBe("policy_conflict");
    const unsigned = rules({ requiresignedurls: { force: false } });
    expect(apply(unsigned, signed, {})).not.toHaveProperty("requiresignedurls");
    expect(apply(rules({ requiresignedurls: { default: false } }), signed, {})).toEqual(
      expect.objectContaining({ requiresignedurls: "" }),
    );
  });

  it("cannot let other keys through that the tenant does not, and can shut out those that it does", () => {
    const tenant = rules({ "*": { allow: ["project"] } });
    expect(apply(tenant, rules({ plan: { force: "gold" } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ "*": { allow: ["plan"] } }), { plan: "gold", project: "p" })).toEqual(
      expect.not.objectContaining({ plan: "gold", project: "p" }),
    );
    expect(apply(tenant, rules({ project: { force: "p1" } }), { project: "p2" })).toMatchObject({ project: "p1" });
    expect(apply(tenant, {}, { project: "p" })).toMatchObject({ project: "p" });
    expect(apply(tenant, rules({ project: { maxLength: 5 } }), {})).toEqual(apply({}, {}, {}));
  });

  it("cannot set what the tenant keeps from its clients, and can keep from them what the tenant sets", () => {
    const tenant = rules({ maxdurationseconds: { deny: true, default: 600 }, project: { deny: true } });
    expect(apply(tenant, rules({ maxdurationseconds: { force: 36_000 } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ maxdurationseconds: { default: 36_000 } }), {})).toMatchObject({
      maxdurationseconds: "600",
    });
    expect(apply(tenant, rules({ maxdurationseconds: { max: 60 } }), {})).toMatchObject({ maxdurationseconds: "60" });
    expect(apply(tenant, rules({ project: { force: "p" } }), {})).toBe("policy_conflict");
    expect(apply(tenant, rules({ project: { default: "p" } }), {})).not.toHaveProperty("project");
    const open = rules({ name: { default: "Untitled" } });
    expect(apply(open, rules({ name: { deny: true } }), {})).toMatchObject({ name: "Untitled" });
    expect(apply(open, rules({ name: { deny: true, default: "Clip" } }), {})).toMatchObject({ name: "Clip" });
  });

  it("can ask for what the tenant leaves open, and refuses if two clamps contradict", () => {
    expect(apply({}, rules({ name: { required: true } }), {})).toBe("policy_violation");
    const clash = { onViolation: "clamp" };
    expect(
      apply(
        rules({ maxdurationseconds: { max: 60, ...clash } }),
        rules({ maxdurationseconds: { min: 100, ...clash } }),
        { maxdurationseconds: "80" },
      ),
    ).toBe("policy_conflict");
  });

  it("takes the smaller of two sizes", () => {
    const policy = narrow([policyOf({ upload: { maxBytes: 100 } })], policyOf({ upload: { maxBytes: 50 } }, "grant"));
    expect(maxUploadBytes(policy)).toBe(50);
  });

  it("fixes an open creator, and contradicts another", () => {
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
});

describe("the explanation", () => {
  it("names for every key what was asked, what was applied, and the rule that decided", () => {
    const policy = policyOf({
      metadata: {
        name: { default: "Untitled" },
        maxdurationseconds: { max: 60, onViolation: "clamp" },
        requiresignedurls: { force: true },
        watermark: { oneOf: ["w1"] },
      },
    });
    const { explanations } = applyPolicy(
      [policy],
      requestOf(
        { maxdurationseconds: "90", watermark: "w2", color: "red", allowedorigins: "Acme.com" },
        { creator: "u" },
      ),
    );
    const lines = Object.fromEntries(explanations.map(({ key, ...line }) => [key, line]));
    expect(lines).toMatchObject({
      length: { outcome: "accepted", requested: "1000" },
      name: { outcome: "defaulted", applied: "Untitled", rule: "policy.metadata.name.default" },
      maxdurationseconds: {
        outcome: "clamped",
        requested: "90",
        applied: "60",
        rule: "policy.metadata.maxdurationseconds.max",
      },
      requiresignedurls: { outcome: "forced", applied: "", rule: "policy.metadata.requiresignedurls.force" },
      watermark: { outcome: "refused", requested: "w2", rule: "policy.metadata.watermark.oneOf" },
      expiry: { outcome: "defaulted", rule: "stream.metadata.expiry" },
      color: { outcome: "dropped", requested: "red", rule: "policy.metadata.*.allow" },
      allowedorigins: { outcome: "accepted", requested: "Acme.com", applied: "acme.com" },
      creator: { outcome: "accepted", requested: "u", applied: "u" },
      thumbnailtimestamppct: { outcome: "absent" },
    });
  });

  it("goes on after a refusal, and the first refusal is the answer", () => {
    const { result, explanations } = applyPolicy(
      [policyOf({ upload: { maxBytes: 10 }, metadata: { name: { required: true } } })],
      requestOf({ maxdurationseconds: "x" }),
    );
    expect(result).toMatchObject({ ok: false, problem: { code: "upload_too_large" } });
    expect(explanations.filter(({ outcome }) => outcome === "refused").map(({ key }) => key)).toEqual([
      "length",
      "name",
      "maxdurationseconds",
    ]);
  });
});
