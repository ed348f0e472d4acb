import { describe, expect, it } from "vitest";
import { parseLocation, parseUid } from "../../../src/core/stream/rules/upload-url.ts";

const hosts = ["upload.videodelivery.net", "upload.cloudflarestream.com"];
const url = "https://upload.videodelivery.net/tus/f8b2?tusv2=true";

describe("parseLocation", () => {
  it.each([
    ["an absolute https URL on an allowed host", url, url],
    ["the only upload URL of two joined values", `https://other.example/x, ${url}`, url],
    ["the only absolute URL of two", `/x, ${url}`, url],
    ["the only one of two with a lower-case scheme", `${url} ,HTTPS://other.example/x`, url],
    ["a comma within a URL", `${url}&a=1,2`, `${url}&a=1,2`],
  ])("accepts %s", (_, header, expected) => {
    expect(parseLocation(header, hosts, false)).toBe(expected);
  });

  it.each([
    ["nothing", ""],
    ["a relative URL", "/tus/f8b2"],
    ["a URL without a scheme", "//upload.videodelivery.net/tus/f8b2"],
    ["http", url.replace("https", "http")],
    ["a URL within a text", `see ${url}`],
    ["another host", "https://evil.example/tus/f8b2"],
    ["an allowed host as a prefix", "https://upload.videodelivery.net.evil.example/tus/f8b2"],
    ["an allowed host as user info", "https://upload.videodelivery.net@evil.example/tus/f8b2"],
    ["user info", "https://user@upload.videodelivery.net/tus/f8b2"],
    ["another port", "https://upload.videodelivery.net:8443/tus/f8b2"],
    ["a backslash that parsers read as a slash", "https:\\\\upload.videodelivery.net\\tus"],
    ["a line break", `${url}\r\nSet-Cookie: a=b`],
    ["two valid upload URLs, since either may be meant", `${url}, ${url}2`],
    ["loopback over http outside development", "http://127.0.0.1:8787/tus/f8b2"],
    ["javascript", "javascript:alert(1)"],
    ["a URL of 64 KiB", `${url}&a=${"a".repeat(65_536)}`],
  ])("rejects %s", (_, header) => {
    expect(parseLocation(header, [...hosts, "127.0.0.1:8787"], false)).toBeUndefined();
  });

  it.each(["10.0.0.1", "localhost", "uploads.internal", "[fd00::1]"])(
    "rejects the host %s although it is listed",
    (host) => {
      expect(parseLocation(`https://${host}/tus/f8b2`, [host], false)).toBeUndefined();
    },
  );

  it("accepts loopback over http in development, on the listed port or on any", () => {
    const local = "http://127.0.0.1:8787/tus/f8b2";
    expect(parseLocation(local, ["127.0.0.1:8787"], true)).toBe(local);
    expect(parseLocation(local, ["127.0.0.1"], true)).toBe(local);
    expect(parseLocation(local, ["127.0.0.1:9999"], true)).toBeUndefined();
    expect(parseLocation(local.replace("127.0.0.1", "10.0.0.1"), ["10.0.0.1:8787"], true)).toBeUndefined();
  });
});

describe("parseUid", () => {
  it("accepts 32 lower-case hexadecimal digits only", () => {
    expect(parseUid("0123456789abcdef0123456789abcdef")).toBe("0123456789abcdef0123456789abcdef");
    for (const uid of [null, "", "0123", "0123456789ABCDEF0123456789ABCDEF", "a, b", `${"0".repeat(32)}\n`])
      expect(parseUid(uid)).toBeUndefined();
  });
});
