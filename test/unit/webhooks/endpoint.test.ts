import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type EndpointSecret,
  MAX_SECRETS,
  REPLACED_SECRET_LIFETIME_MS,
  isEndpointUrl,
  replaceSecret,
  secretsAt,
} from "../../../src/core/webhooks/rules/endpoint.ts";

describe("events may be sent to", () => {
  it.each([
    "https://hooks.acme.com",
    "https://hooks.acme.com/",
    "https://hooks.acme.com:443/in?token=a%20b&c=d#e",
    "https://a-b.c1.co.uk/x",
    "https://xn--bcher-kva.example/",
    "https://internal.acme.com/",
    "https://localhost.acme.com/",
    "https://1.acme.com/",
    "https://HOOKS.ACME.COM/",
  ])("%s", (url) => {
    expect(isEndpointUrl(url, false)).toBe(true);
  });
});

describe("no event is sent to", () => {
  it.each([
    ["", "nothing"],
    ["hooks.acme.com", "no URL"],
    ["//hooks.acme.com", "no scheme"],
    ["http://hooks.acme.com/", "http"],
    ["ftp://hooks.acme.com/", "another scheme"],
    ["javascript:alert(1)", "another scheme"],
    ["https://hooks.acme.com:8443/", "another port"],
    ["https://hooks.acme.com:80/", "another port"],
    ["https://user@hooks.acme.com/", "user info"],
    ["https://user:password@hooks.acme.com/", "user info"],
    ["https://:password@hooks.acme.com/", "user info"],
    ["https://@hooks.acme.com/", "empty user info"],
    ["https://hooks.acme.com:443@localhost/", "a host dressed up as user info"],
    ["https://hooks.acme.com\\@localhost/", "a backslash"],
    ["https:\\\\hooks.acme.com/", "backslashes"],
    ["https:///hooks.acme.com/", "a slash too many"],
    [" https://hooks.acme.com/", "a blank before it"],
    ["https://hooks.acme.com/\n", "a line's end"],
    ["https://hooks.acme.com/ä", "what is no ASCII"],
    [`https://hooks.acme.com/${"a".repeat(1_000)}`, "a long one"],
    ["https://1.1.1.1/", "an IPv4 address"],
    ["https://10.0.0.1/", "a private one"],
    ["https://169.254.169.254/latest/meta-data/", "a metadata service"],
    ["https://2130706433/", "a decimal one"],
    ["https://0x7f000001/", "a hexadecimal one"],
    ["https://0x7f.0.0.1/", "a partly hexadecimal one"],
    ["https://0177.0.0.1/", "an octal one"],
    ["https://127.1/", "a short one"],
    ["https://127.0.0.1./", "one with a dot at its end"],
    ["https://0/", "zero"],
    ["https://%31%32%37.0.0.1/", "an encoded one"],
    ["https://%6c%6f%63%61%6c%68%6f%73%74/", "an encoded name"],
    ["https://[::1]/", "an IPv6 address"],
    ["https://[::ffff:127.0.0.1]/", "a mapped one"],
    ["https://[2606:4700::1111]/", "a public one"],
    ["https://[fe80::1%25eth0]/", "one with a zone"],
    ["https://localhost/", "a local name"],
    ["https://LOCALHOST/", "in capitals"],
    ["https://localhost./", "with a dot"],
    ["https://a.localhost/", "below it"],
    ["https://metadata/", "a single label"],
    ["https://printer.local/", "mDNS"],
    ["https://db.internal/", "a private suffix"],
    ["https://metadata.google.internal/", "a metadata service"],
    ["https://router.home.arpa/", "a home's"],
    ["https://1.0.0.127.in-addr.arpa/", "a reverse one"],
    ["https://nas.lan/", "a LAN's"],
    ["https://wiki.corp/", "a company's"],
    ["https://wiki.intranet/", "a company's"],
    ["https://db.private/", "a private suffix"],
    ["https://db.localdomain/", "a private suffix"],
    ["https://nas.home/", "a home's"],
    ["https://hooks.test/", "a name for tests"],
    ["https://hooks.invalid/", "a name that is none"],
    ["https://abc.onion/", "no DNS"],
    ["https://hooks.acme.com./", "an absolute name"],
    ["https://hooks..acme.com/", "an empty label"],
    ["https://-hooks.acme.com/", "a label that is none"],
    [`https://${"a".repeat(64)}.com/`, "a label that is too long"],
    [`https://${"abc.".repeat(63)}co/`, "a name that is too long"],
    ["https://hooks.acme.123/", "a number for a top-level domain"],
    ["http://localhost:8080/", "loopback"],
    ["http://127.0.0.1/", "loopback"],
  ])("%s, %s", (url) => {
    expect(isEndpointUrl(url, false)).toBe(false);
  });

  it("an address of any form", () => {
    const part = fc.oneof(
      fc.nat(255).map(String),
      fc.nat(255).map((n) => `0x${n.toString(16)}`),
      fc.nat(255).map((n) => `0${n.toString(8)}`),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.boolean(), (parts, secure) => {
        expect(isEndpointUrl(`http${secure ? "s" : ""}://${parts.join(".")}/`, false)).toBe(false);
      }),
    );
  });
});

describe("in development", () => {
  it.each(["http://localhost:3000/in", "http://127.0.0.1:3000/", "http://[::1]:3000/", "https://localhost/"])(
    "events may be sent to %s",
    (url) => {
      expect(isEndpointUrl(url, true)).toBe(true);
      expect(isEndpointUrl(url, false)).toBe(false);
    },
  );

  it.each([
    "http://hooks.acme.com/",
    "http://10.0.0.1/",
    "https://a.localhost/",
    "http://user@localhost/",
    "http://0/",
  ])("none is sent to %s", (url) => {
    expect(isEndpointUrl(url, true)).toBe(false);
  });
});

describe("a secret that is replaced", () => {
  const texts = (secrets: readonly EndpointSecret[]) => secrets.map(({ secret }) => secret);
  const once = replaceSecret([{ secret: "a" }], "b", 1_000);

  it("is valid for a day beside the new one, which comes first", () => {
    expect(texts(secretsAt(once, 1_000))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["b"]);
  });

  it("gains no time by another replacement", () => {
    const twice = replaceSecret(once, "c", 2_000);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["c", "b", "a"]);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
  });

  it("is dropped once it is not valid any more, or where there are too many", () => {
    expect(texts(replaceSecret(once, "c", 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
    const many = ["b", "c", "d", "e"].reduce((secrets, fresh) => replaceSecret(secrets, fresh, 5), [{ secret: "a" }]);
    expect(many).toHaveLength(MAX_SECRETS);
    expect(texts(many)).toEqual(["e", "d", "c"]);
  });
});
