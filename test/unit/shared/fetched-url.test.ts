import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isEndpointUrl, isFetchableUrl, mayFetch } from "../../../src/core/shared/fetched-url.ts";

const words = (...lines: readonly string[]) => lines.join(" ").split(" ");

/** IANA's registry of special-use domain names, without the names for documentation. */
const SPECIAL_USE_NAMES = words(
  "alt invalid local localhost onion test",
  "6tisch.arpa eap.arpa eap-noob.arpa home.arpa ipv4only.arpa resolver.arpa service.arpa",
  "10.in-addr.arpa 31.172.in-addr.arpa 168.192.in-addr.arpa 254.169.in-addr.arpa 8.e.f.ip6.arpa",
);
/** Names of networks, resolvers and orchestrators. */
const PRIVATE_NAMES = words(
  "internal corp home intranet lan mail private localdomain intra workgroup dhcp router ec2.internal",
  "svc svc.cluster.local default.svc.cluster pod k8s kube consul service.consul nomad mesos mesh",
  "docker podman lxd incus swarm vagrant rancher novalocal openstacklocal localnet",
);
/** An address of each block of IANA's IPv4 and IPv6 special-purpose registries, and of multicast. */
const SPECIAL_ADDRESSES = words(
  "0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.1 192.0.0.171 192.0.2.1 192.31.196.1",
  "192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1",
  "255.255.255.255 [::] [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::10.0.0.1] [64:ff9b:1::1]",
  "[100::1] [100:0:0:1::1] [2001::1] [2001:2::1] [2001:db8::1] [2002:7f00:1::1] [2620:4f:8000::1] [3fff::1]",
  "[5f00::1] [fc00::1] [fd00::1] [fe80::1] [fec0::1] [ff02::1]",
);

describe("isFetchableUrl", () => {
  it.each([
    "https://hooks.acme.com",
    "https://hooks.acme.com/",
    "https://hooks.acme.com:443/in?token=a%20b&c=d#e",
    "https://hooks.acme.com:8443/",
    "https://a-b.c1.co.uk/x",
    "https://xn--bcher-kva.example/",
    "https://internal.acme.com/",
    "https://localhost.acme.com/",
    "https://svc.acme.com/",
    "https://acme.consulting/",
    "https://1.acme.com/",
    "https://HOOKS.ACME.COM/",
    "https://hooks.example/",
    "https://example.com/",
    "https://hooks.example.net/",
    "https://hooks.example.org/",
  ])("accepts %s", (url) => {
    expect(isFetchableUrl(url, false)).toBe(true);
    expect(isFetchableUrl(url, true)).toBe(true);
  });

  it.each([
    ["", "empty"],
    ["hooks.acme.com", "not a URL"],
    ["//hooks.acme.com", "no scheme"],
    ["http://hooks.acme.com/", "http"],
    ["ftp://hooks.acme.com/", "unsupported scheme"],
    ["javascript:alert(1)", "unsupported scheme"],
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
    ["https://1.1.1.1/", "public IPv4 address"],
    ["https://2130706433/", "decimal IPv4 address"],
    ["https://0x7f000001/", "hexadecimal IPv4 address"],
    ["https://0x7f.0.0.1/", "partly hexadecimal IPv4 address"],
    ["https://0177.0.0.1/", "octal IPv4 address"],
    ["https://127.1/", "short IPv4 address"],
    ["https://127.0.0.1./", "IPv4 address with a trailing dot"],
    ["https://0/", "IPv4 address 0"],
    ["https://%31%32%37.0.0.1/", "percent-encoded IPv4 address"],
    ["https://%6c%6f%63%61%6c%68%6f%73%74/", "percent-encoded localhost"],
    ["https://[2606:4700::1111]/", "public IPv6 address"],
    ["https://[fe80::1%25eth0]/", "IPv6 address with a zone"],
    ["https://localhost/", "localhost"],
    ["https://LOCALHOST/", "localhost in capitals"],
    ["https://localhost./", "localhost with a trailing dot"],
    ["https://API.Default.SVC/", "private suffix in capitals"],
    ["https://metadata/", "single label"],
    ["https://metadata.google.internal/", "metadata service"],
    ["https://hooks.acme.com./", "absolute name"],
    ["https://hooks..acme.com/", "empty label"],
    ["https://-hooks.acme.com/", "label that begins with a hyphen"],
    [`https://${"a".repeat(64)}.com/`, "label too long"],
    [`https://${"abc.".repeat(63)}co/`, "name too long"],
    ["https://hooks.acme.123/", "numeric top-level domain"],
    ["http://localhost:8080/", "loopback"],
  ])("refuses %s (%s)", (url) => {
    expect(isFetchableUrl(url, false)).toBe(false);
  });

  it.each([...SPECIAL_USE_NAMES, ...PRIVATE_NAMES])("refuses names that end with .%s", (suffix) => {
    for (const allowLoopback of [false, true])
      for (const host of [
        suffix,
        `api.${suffix}`,
        `a.b.${suffix.toUpperCase()}`,
        `api.${suffix}.`,
        `api.${suffix}:8443`,
      ])
        expect(isFetchableUrl(`https://${host}/`, allowLoopback), host).toBe(host === "localhost" && allowLoopback);
  });

  it.each(SPECIAL_ADDRESSES)("refuses the address %s", (address) => {
    expect(isFetchableUrl(`https://${address}/`, false)).toBe(false);
    expect(isFetchableUrl(`https://${address}:8443/`, false)).toBe(false);
    expect(isFetchableUrl(`https://${address}/`, true)).toBe(["127.0.0.1", "[::1]"].includes(address));
  });

  it("refuses IPv4 addresses in any notation", () => {
    const part = fc.oneof(
      fc.nat(255).map(String),
      fc.nat(255).map((n) => `0x${n.toString(16)}`),
      fc.nat(255).map((n) => `0${n.toString(8)}`),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.boolean(), (parts, secure) => {
        expect(isFetchableUrl(`http${secure ? "s" : ""}://${parts.join(".")}/`, false)).toBe(false);
      }),
    );
  });

  it("refuses IPv6 addresses in any notation", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(isFetchableUrl(`https://[${address}]/`, false)).toBe(false);
      }),
    );
  });
});

describe("isFetchableUrl with allowLoopback", () => {
  it.each([
    "http://localhost:3000/in",
    "http://LOCALHOST/",
    "http://127.0.0.1:3000/",
    "http://127.9.9.9/",
    "http://2130706433/",
    "http://[::1]:3000/",
    "https://localhost/",
  ])("accepts %s", (url) => {
    expect(isFetchableUrl(url, true)).toBe(true);
    expect(isFetchableUrl(url, false)).toBe(false);
  });

  it.each([
    "http://hooks.acme.com/",
    "http://10.0.0.1/",
    "https://a.localhost/",
    "http://127.0.0.1.evil.example/",
    "ftp://127.0.0.1/",
    "http://user@localhost/",
    "http://0/",
  ])("refuses %s", (url) => {
    expect(isFetchableUrl(url, true)).toBe(false);
  });
});

describe("mayFetch", () => {
  it("judges the URL that is fetched, however it was written", () => {
    expect(mayFetch(" https:\\\\id.example\\jwks", false)).toBe(true);
    expect(mayFetch(`https://id.example/${"a".repeat(5_000)}`, false)).toBe(true);
    for (const url of [
      "https:\\\\localhost\\",
      "https:///10.0.0.1/",
      "https://①②⑦.1/",
      "https://ｌocalhost/",
      "nonsense",
    ])
      expect(mayFetch(url, false), url).toBe(false);
  });
});

describe("isEndpointUrl", () => {
  it.each([
    ["https://hooks.acme.com/", true],
    ["https://hooks.acme.com:443/", true],
    ["https://hooks.acme.com:8443/", false],
    ["https://hooks.acme.com:80/", false],
    ["https://10.0.0.1/", false],
    ["http://localhost:3000/", false],
  ])("decides on %s: %s", (url, expected) => {
    expect(isEndpointUrl(url, false)).toBe(expected);
  });

  it("accepts any port of loopback in development", () => {
    expect(isEndpointUrl("http://localhost:3000/", true)).toBe(true);
    expect(isEndpointUrl("https://hooks.acme.com:8443/", true)).toBe(false);
  });
});
