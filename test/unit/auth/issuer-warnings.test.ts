import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { issuerSchema } from "../../../src/core/auth/rules/issuer-document.ts";
import { issuerWarnings } from "../../../src/core/auth/rules/issuer-warnings.ts";

const BASE = {
  issuer: "https://idp.example/",
  audiences: ["api"],
  keys: { jwksUrl: "https://idp.example/jwks" },
  tenant: { fixed: "acme" },
};
const warningsOf = (change: object, sharing: readonly string[] = []) => {
  const document = v.parse(issuerSchema(false), JSON.parse(JSON.stringify({ ...BASE, ...change })));
  return issuerWarnings({ ...document, id: "idp", keys: { discovery: true } }, sharing).map(
    ({ code, pointer, found }) => [code, pointer, found],
  );
};

describe("the warnings of an issuer", () => {
  it("are none for an ordinary document", () => {
    expect(warningsOf({ subject: { claim: ["sub", "/app_metadata/id"] } })).toEqual([]);
  });

  it("name anyAudience", () => {
    expect(warningsOf({ audiences: undefined, anyAudience: true })).toEqual([
      ["any_audience", "/anyAudience", undefined],
    ]);
  });

  it.each<[string, object, string]>([
    ["/tenant/claim", { tenant: { claim: "/user_metadata/tenant" } }, "/user_metadata/tenant"],
    ["/subject/claim", { subject: { claim: ["sub", "/unsafe_metadata/id"] } }, "/unsafe_metadata/id"],
    ["/scopes/claim", { scopes: { claim: "/user_metadata/scopes" } }, "/user_metadata/scopes"],
    ["/require", { require: { "/user_metadata/ok": true } }, "/user_metadata/ok"],
    [
      "/name/claim",
      { tenant: { claim: "o" }, provision: { plan: "free" }, name: { claim: "https://a.example/user_metadata" } },
      "https://a.example/user_metadata",
    ],
    [
      "/issuerPart",
      { issuer: "https://{tenant}/", issuerPart: "/user_metadata/a", tenant: { claim: "o", map: { a: "acme" } } },
      "/user_metadata/a",
    ],
  ])("name a claim that users write: %s", (pointer, change, found) => {
    expect(warningsOf(change)).toEqual([["claim_written_by_users", pointer, found]]);
  });

  it("name issuers that share persons by migration", () => {
    expect(warningsOf({}, ["other"])).toEqual([["namespace_shared", "/subject/namespace", undefined]]);
  });
});
