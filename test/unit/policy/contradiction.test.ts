import { describe, expect, it } from "vitest";
import { findContradiction } from "../../../src/core/policy/rules/contradiction.ts";
import { narrow } from "../../../src/core/policy/rules/policy.ts";
import { STREAM_BOUNDS, documentOf, policyOf } from "../../support/policy-fixtures.ts";

const metadata = (key: string, rule: object) => documentOf({ [key]: rule });
const fileTypes = (...fileTypes: string[]) => ({ upload: { fileTypes } });
const grantCaller = { tenant: "acme", kind: "grant" as const, person: { namespace: "tenant", subject: "user-1" } };

const found = (tenant: object, grant: object, caller: Parameters<typeof findContradiction>[1] = grantCaller) =>
  findContradiction(narrow([policyOf(tenant)], policyOf(grant, "grant")), caller, STREAM_BOUNDS);

describe("findContradiction", () => {
  it.each([
    ["different forces", metadata("name", { force: "a" }), metadata("name", { force: "b" }), "name"],
    [
      "a flag forced on and off",
      metadata("requiresignedurls", { force: true }),
      metadata("requiresignedurls", { force: false }),
      "requiresignedurls",
    ],
    [
      "a force that undoes a default flag",
      metadata("requiresignedurls", { default: true }),
      metadata("requiresignedurls", { force: false }),
      "requiresignedurls",
    ],
    [
      "a force outside a bound",
      metadata("maxdurationseconds", { max: 60 }),
      metadata("maxdurationseconds", { force: 600 }),
      "maxdurationseconds",
    ],
    [
      "a tenant's force outside a grant's bound",
      metadata("maxdurationseconds", { force: 600 }),
      metadata("maxdurationseconds", { max: 60 }),
      "maxdurationseconds",
    ],
    ["a force outside a pattern", metadata("name", { pattern: "[a-z]+" }), metadata("name", { force: "7" }), "name"],
    [
      "a forced time outside a bound",
      metadata("expiry", { max: "PT10M" }),
      metadata("expiry", { force: "PT1H" }),
      "expiry",
    ],
    [
      "a forced auto expiry that is always later than a bound",
      metadata("expiry", { max: "PT10M" }),
      metadata("expiry", { force: "auto" }),
      "expiry",
    ],
    [
      "a force of a key that the tenant denies",
      metadata("watermark", { deny: true }),
      metadata("watermark", { force: "w" }),
      "watermark",
    ],
    ["a force of a custom key that the tenant does not allow", {}, metadata("project", { force: "cats" }), "project"],
    [
      "bounds without a common value",
      metadata("maxdurationseconds", { min: 600 }),
      metadata("maxdurationseconds", { max: 60 }),
      "maxdurationseconds",
    ],
    [
      "bounds of a time without a common value",
      metadata("expiry", { min: "PT3H" }),
      metadata("expiry", { max: "PT1H" }),
      "expiry",
    ],
    [
      "bounds that no kept or deleted video meets",
      metadata("scheduleddeletion", { max: "P60D" }),
      metadata("scheduleddeletion", { min: "P90D" }),
      "scheduleddeletion",
    ],
    [
      "lists without a common value",
      metadata("maxdurationseconds", { oneOf: [60] }),
      metadata("maxdurationseconds", { oneOf: [600] }),
      "maxdurationseconds",
    ],
    [
      "a list outside a bound",
      metadata("maxdurationseconds", { oneOf: [60, 90] }),
      metadata("maxdurationseconds", { max: 30 }),
      "maxdurationseconds",
    ],
    [
      "lists of a required text",
      metadata("name", { required: true, oneOf: ["a"] }),
      metadata("name", { oneOf: ["b"] }),
      "name",
    ],
    [
      "hosts without a common one",
      metadata("allowedorigins", { within: ["acme.com"] }),
      metadata("allowedorigins", { within: ["*.acme.com"] }),
      "allowedorigins",
    ],
    [
      "a required key that the tenant denies",
      metadata("name", { deny: true }),
      metadata("name", { required: true }),
      "name",
    ],
    ["a required custom key that the tenant does not allow", {}, metadata("project", { required: true }), "project"],
    ["minBytes over maxBytes", { upload: { maxBytes: 100 } }, { upload: { minBytes: 200 } }, "upload"],
    [
      "file types without a common one",
      { upload: { fileTypes: ["video/*"] } },
      { upload: { fileTypes: ["audio/mpeg"] } },
      "fileTypes",
    ],
    ["two extensions", fileTypes(".mkv"), fileTypes(".mxf"), "fileTypes"],
    ["an extension and video types", fileTypes("video/*"), fileTypes(".mkv"), "fileTypes"],
    [
      "origins without a common one",
      { origins: ["https://app.acme.com"] },
      { origins: ["https://*.acme.dev"] },
      "origins",
    ],
    ["a creator fixed twice", { creator: { from: "caller" } }, { creator: { from: "tenant" } }, "creator"],
    ["two prefixes", { creator: { prefix: "a/" } }, { creator: { prefix: "b/" } }, "creator"],
    ["a creator fixed by the default of the tenant", {}, { creator: { from: "none" } }, "creator"],
  ])("finds %s", (_, tenant, grant, key) => {
    expect(found(tenant, grant)).toMatchObject({ code: "policy_conflict", key });
  });

  it.each([
    ["the same force", metadata("name", { force: "a" }), metadata("name", { force: "a" })],
    [
      "a forced expiry that auto has for one length",
      metadata("expiry", { force: "PT1H" }),
      metadata("expiry", { force: "auto" }),
    ],
    [
      "a force within a bound",
      metadata("maxdurationseconds", { max: 60 }),
      metadata("maxdurationseconds", { force: 60 }),
    ],
    [
      "an auto expiry that a length meets",
      metadata("expiry", { min: "PT1H", max: "PT2H" }),
      metadata("expiry", { force: "auto" }),
    ],
    [
      "bounds that meet in one value",
      metadata("maxdurationseconds", { min: 60 }),
      metadata("maxdurationseconds", { max: 60 }),
    ],
    [
      "patterns, which are not compared",
      metadata("name", { required: true, pattern: "[a-z]+" }),
      metadata("name", { pattern: "[0-9]+" }),
    ],
    ["lists of a text that may be absent", metadata("name", { oneOf: ["a"] }), metadata("name", { oneOf: ["b"] })],
    [
      "a default that the tenant denies",
      metadata("watermark", { deny: true }),
      metadata("watermark", { default: "w" }),
    ],
    [
      "a narrower host",
      metadata("allowedorigins", { within: ["*.acme.com"] }),
      metadata("allowedorigins", { within: ["app.acme.com"] }),
    ],
    ["a narrower file type", { upload: { fileTypes: ["video/mp4"] } }, { upload: { fileTypes: ["video/*"] } }],
    ["an extension of octets", fileTypes("application/octet-stream"), fileTypes(".mkv")],
    ["octets with an extension", fileTypes(".mkv"), fileTypes("application/*")],
    ["the same extension", fileTypes("video/*", ".mkv"), fileTypes("audio/*", ".mkv")],
    ["a narrower origin", { origins: ["https://*.acme.com"] }, { origins: ["https://app.acme.com"] }],
    ["a grant for no page", { origins: ["https://app.acme.com"] }, { origins: [] }],
    ["the same prefix", { creator: { prefix: "a/" } }, { creator: { prefix: "a/" } }],
    ["one prefix", {}, { creator: { prefix: "a/" } }],
    ["the same creator", { creator: { from: "caller" } }, { creator: { from: "caller" } }],
    ["a creator that the tenant leaves open", { creator: { from: "client" } }, { creator: { from: "tenant" } }],
    ["equal bounds of bytes", { upload: { maxBytes: 100 } }, { upload: { minBytes: 100 } }],
  ])("accepts %s", (_, tenant, grant) => {
    expect(found(tenant, grant)).toBeUndefined();
  });

  it("names the rules that no value satisfies", () => {
    expect(
      found(metadata("maxdurationseconds", { min: 600 }), metadata("maxdurationseconds", { max: 60 }))?.detail,
    ).toBe(
      "This policy can never allow an upload: no value of maxdurationseconds satisfies " +
        "policy.metadata.maxdurationseconds and grant.metadata.maxdurationseconds.",
    );
  });

  it("names a custom key as the tenant spells it", () => {
    expect(found({ custom: { projectId: { deny: true } } }, { custom: { PROJECTID: { force: "p" } } })).toMatchObject({
      key: "projectId",
      detail: expect.stringContaining("policy.custom.projectId and grant.custom.PROJECTID"),
    });
  });

  it("finds nothing in a subject that Stream does not take: it is told a digest", () => {
    const caller = { ...grantCaller, person: { namespace: "tenant", subject: "ä" } };
    expect(found({}, {}, caller)).toBeUndefined();
  });
});
