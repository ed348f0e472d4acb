import { describe, expect, it } from "vitest";
import { isHost, isOrigin, matchesWildcard, parseHosts } from "../../../src/core/policy/rules/hosts.ts";

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
    ["a..acme.com", false],
    ["acme.com:65535", true],
    ["acme.com:65536", false],
    ["acme.com:99999", false],
    ["acme.com:080", false],
    ["acme.com:", false],
    ["acme.com:0", true],
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

describe("matchesWildcard", () => {
  it.each([
    ["*.acme.com", "x.acme.com", true],
    ["*.acme.com", "*.x.acme.com", true],
    ["*.acme.com", "*.acme.com", true],
    ["*.acme.com", "acme.com", false],
    ["*.acme.com", ".acme.com", false],
    ["*.acme.com", "evilacme.com", false],
    ["acme.com", "x.acme.com", false],
  ])("%s matches %s: %s", (pattern, host, expected) => {
    expect(matchesWildcard(pattern, host)).toBe(expected);
  });
});

describe("matchesWildcard", () => {
  it.each([
    ["https://*.acme.com", "https://x.acme.com", true],
    ["https://*.acme.com", "https://.acme.com", false],
    ["https://*.acme.com", "http://x.acme.com", false],
    ["https://acme.com", "https://acme.com", true],
    ["https://acme.com", "https://x.acme.com", false],
  ])("%s matches %s: %s", (pattern, origin, expected) => {
    expect(matchesWildcard(pattern, origin)).toBe(expected);
  });
});

describe("isOrigin", () => {
  const label = "a".repeat(63);
  const longest = `https://${[label, label, label, "a".repeat(61)].join(".")}`;

  it.each([
    "https://app.acme.com",
    "http://localhost:3000",
    "https://*.acme.com",
    "https://*.acme.com:8443",
    "https://xn--4ca.example",
    "https://my_app.acme.dev",
    "https://r3---sn.acme.dev",
    "https://1.2.3.4",
    "http://[::1]:5173",
    "https://[2001:db8::1]",
    "https://a:0",
    "https://a:65535",
    "http://a:443",
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://3f1c2d3e-0000-4000-8000-0123456789ab",
    "safari-web-extension://3F1C2D3E-0000-4000-8000-0123456789AB",
    "app://obsidian.md",
    "app://-",
    // Of Electron.
    "app://.",
    "null",
    longest,
    "https://app.acme.com.",
    "file://",
  ])("accepts %s", (text) => {
    expect(isOrigin(text)).toBe(true);
  });

  it.each([
    "app.acme.com",
    "*",
    "",
    "NULL",
    "https://",
    "https://*",
    "https://*.",
    "https://*acme.com",
    "https://app.*.com",
    "https://*.*.acme.com",
    "https://*.[::1]",
    "https://*.1.2.3.4",
    "https://App.acme.com",
    "HTTPS://app.acme.com",
    "https://ä.example",
    "https://a:99999",
    "https://a:65536",
    "https://a:443",
    "http://a:80",
    "https://a:080",
    "https://a:",
    "https://a..b",
    "https://.a",
    "https://.",
    "https://a..",
    "https://a.",
    "app://..",
    `https://a${label}.com`,
    `${longest}b`,
    "https://1.2.3",
    "https://256.1.1.1",
    "http://[::0:1]",
    "http://[::1",
    "http://::1",
    "https://a/",
    "https://a/b",
    "https://a?",
    "https://a#",
    "https://u@a",
    "https://a b",
    " https://a",
    "https://a\n",
    "https://a,https://b",
    "capacitor://",
    "capacitor://localhost/",
    "capacitor://localhost:99999",
    "capacitor:localhost",
    "file://server",
    "blob://a",
    "data://a",
    "ws://a",
    "wss://app.acme.com",
    "1a://b",
  ])("refuses %s, which no page or app sends", (text) => {
    expect(isOrigin(text)).toBe(false);
  });
});
