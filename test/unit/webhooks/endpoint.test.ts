import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Endpoint,
  type EndpointSecret,
  MAX_SECRETS,
  REPLACED_SECRET_LIFETIME_MS,
  isEndpointUrl,
  isSubscribed,
  replaceSecret,
  secretsAt,
} from "../../../src/core/webhooks/rules/endpoint.ts";
import { webhookEvent } from "../../support/event-fixtures.ts";

describe("isEndpointUrl", () => {
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
  ])("accepts %s", (url) => {
    expect(isEndpointUrl(url, false)).toBe(true);
  });

  it.each([
    ["", "empty"],
    ["hooks.acme.com", "not a URL"],
    ["//hooks.acme.com", "no scheme"],
    ["http://hooks.acme.com/", "http"],
    ["ftp://hooks.acme.com/", "unsupported scheme"],
    ["javascript:alert(1)", "unsupported scheme"],
    ["https://hooks.acme.com:8443/", "not the default port"],
    ["https://hooks.acme.com:80/", "not the default port"],
    ["https://user@hooks.acme.com/", "user info"],
    ["https://user:password@hooks.acme.com/", "user info"],
    ["https://:password@hooks.acme.com/", "user info"],
    ["https://@hooks.acme.com/", "empty user info"],
    ["https://hooks.acme.com:443@localhost/", "host disguised as user info"],
    ["https://hooks.acme.com\\@localhost/", "backslash"],
    ["https:\\\\hooks.acme.com/", "backslashes"],
    ["https:///hooks.acme.com/", "three slashes"],
    [" https://hooks.acme.com/", "leading space"],
    ["https://hooks.acme.com/\n", "line break"],
    ["https://hooks.acme.com/ä", "not ASCII"],
    [`https://hooks.acme.com/${"a".repeat(1_000)}`, "too long"],
    ["https://1.1.1.1/", "IPv4 address"],
    ["https://10.0.0.1/", "private IPv4 address"],
    ["https://169.254.169.254/latest/meta-data/", "metadata service"],
    ["https://2130706433/", "decimal IPv4 address"],
    ["https://0x7f000001/", "hexadecimal IPv4 address"],
    ["https://0x7f.0.0.1/", "partly hexadecimal IPv4 address"],
    ["https://0177.0.0.1/", "octal IPv4 address"],
    ["https://127.1/", "short IPv4 address"],
    ["https://127.0.0.1./", "IPv4 address with a trailing dot"],
    ["https://0/", "IPv4 address 0"],
    ["https://%31%32%37.0.0.1/", "percent-encoded IPv4 address"],
    ["https://%6c%6f%63%61%6c%68%6f%73%74/", "percent-encoded localhost"],
    ["https://[::1]/", "IPv6 address"],
    ["https://[::ffff:127.0.0.1]/", "IPv4-mapped IPv6 address"],
    ["https://[2606:4700::1111]/", "public IPv6 address"],
    ["https://[fe80::1%25eth0]/", "IPv6 address with a zone"],
    ["https://localhost/", "localhost"],
    ["https://LOCALHOST/", "localhost in capitals"],
    ["https://localhost./", "localhost with a trailing dot"],
    ["https://a.localhost/", "subdomain of localhost"],
    ["https://metadata/", "single label"],
    ["https://printer.local/", "mDNS"],
    ["https://db.internal/", "private suffix"],
    ["https://metadata.google.internal/", "metadata service"],
    ["https://router.home.arpa/", "home network suffix"],
    ["https://1.0.0.127.in-addr.arpa/", "reverse DNS name"],
    ["https://nas.lan/", "LAN suffix"],
    ["https://wiki.corp/", "company suffix"],
    ["https://wiki.intranet/", "company suffix"],
    ["https://db.private/", "private suffix"],
    ["https://db.localdomain/", "private suffix"],
    ["https://nas.home/", "home network suffix"],
    ["https://hooks.test/", "reserved for tests"],
    ["https://hooks.invalid/", "reserved invalid name"],
    ["https://abc.onion/", "not a DNS name"],
    ["https://hooks.acme.com./", "absolute name"],
    ["https://hooks..acme.com/", "empty label"],
    ["https://-hooks.acme.com/", "label that begins with a hyphen"],
    [`https://${"a".repeat(64)}.com/`, "label too long"],
    [`https://${"abc.".repeat(63)}co/`, "name too long"],
    ["https://hooks.acme.123/", "numeric top-level domain"],
    ["http://localhost:8080/", "loopback"],
    ["http://127.0.0.1/", "loopback"],
  ])("rejects %s (%s)", (url) => {
    expect(isEndpointUrl(url, false)).toBe(false);
  });

  it("rejects IPv4 addresses in any notation", () => {
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

describe("isEndpointUrl with allowLoopback", () => {
  it.each(["http://localhost:3000/in", "http://127.0.0.1:3000/", "http://[::1]:3000/", "https://localhost/"])(
    "accepts %s",
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
  ])("rejects %s", (url) => {
    expect(isEndpointUrl(url, true)).toBe(false);
  });
});

describe("replaceSecret", () => {
  const texts = (secrets: readonly EndpointSecret[]) => secrets.map(({ secret }) => secret);
  const once = replaceSecret([{ secret: "a" }], "b", 1_000);

  it("puts the new secret first and keeps the old one valid for a day", () => {
    expect(texts(secretsAt(once, 1_000))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["b"]);
  });

  it("does not extend the lifetime of a secret that was replaced before", () => {
    const twice = replaceSecret(once, "c", 2_000);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["c", "b", "a"]);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
  });

  it("drops expired secrets, and the oldest above the maximum", () => {
    expect(texts(replaceSecret(once, "c", 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
    const many = ["b", "c", "d", "e"].reduce((secrets, fresh) => replaceSecret(secrets, fresh, 5), [{ secret: "a" }]);
    expect(many).toHaveLength(MAX_SECRETS);
    expect(texts(many)).toEqual(["e", "d", "c"]);
  });
});

describe("isSubscribed", () => {
  it("accepts enabled endpoints without a list of events or with this type in it", () => {
    const endpoint = (id: string, more: Partial<Endpoint> = {}): Endpoint => ({
      id,
      tenant: "acme",
      url: "https://hooks.acme.com/",
      secrets: ["whsec_AAAA"],
      disabled: false,
      ...more,
    });
    const endpoints = [
      endpoint("all"),
      endpoint("ready", { events: new Set(["upload.ready"]) }),
      endpoint("failed", { events: new Set(["upload.failed"]) }),
      endpoint("off", { disabled: true }),
    ];
    const event = webhookEvent();
    expect(event.body.type).toBe("upload.ready");
    const ids = endpoints.filter((endpoint) => isSubscribed(endpoint, event)).map(({ id }) => id);
    expect(ids).toEqual(["all", "ready"]);
  });
});
