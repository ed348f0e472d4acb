import { describe, expect, it } from "vitest";
import { hostMatches, isHost, originMatches, parseHosts } from "../../../src/core/policy/rules/hosts.ts";

describe("isHost", () => {
  const label = "a".repeat(61);
  const longest = `${[label, label, label, label].join(".")}.aaaaa`;

  it.each([
    [longest, true],
    [`${longest}a`, false],
    ["*.acme.com", true],
    ["localhost:3000", true],
    ["localhost", false],
    ["Acme.com", false],
    [".acme.com", false],
  ])("%s: %s", (text, expected) => {
    expect(isHost(text)).toBe(expected);
  });
});

describe("parseHosts", () => {
  it("returns lower-case host names without repetitions", () => {
    expect(parseHosts(" A.example,b.example, a.example,")).toEqual(["a.example", "b.example"]);
  });

  it.each(["", ",", "a.example,https://b.example"])("returns undefined for %j", (text) => {
    expect(parseHosts(text)).toBeUndefined();
  });
});

describe("hostMatches", () => {
  it.each([
    ["*.acme.com", "x.acme.com", true],
    ["*.acme.com", "*.x.acme.com", true],
    ["*.acme.com", "*.acme.com", true],
    ["*.acme.com", "acme.com", false],
    ["*.acme.com", ".acme.com", false],
    ["*.acme.com", "evilacme.com", false],
    ["acme.com", "x.acme.com", false],
  ])("%s matches %s: %s", (pattern, host, expected) => {
    expect(hostMatches(pattern, host)).toBe(expected);
  });
});

describe("originMatches", () => {
  it.each([
    ["https://*.acme.com", "https://x.acme.com", true],
    ["https://*.acme.com", "https://.acme.com", false],
    ["https://*.acme.com", "http://x.acme.com", false],
    ["https://acme.com", "https://acme.com", true],
    ["https://acme.com", "https://x.acme.com", false],
  ])("%s matches %s: %s", (pattern, origin, expected) => {
    expect(originMatches(pattern, origin)).toBe(expected);
  });
});
