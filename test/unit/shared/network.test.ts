import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAddressRange, networkOf } from "../../../src/core/shared/network.ts";

const group = fc.nat(0xffff);
const half = fc.tuple(group, group, group, group);
const byte = fc.nat(255);
const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join("."));

/** How an address of eight groups is written: leading zeros, capitals, a compressed run of zeros, dotted decimals at the end. */
const notation = fc.record({
  digits: fc.constantFrom(1, 4),
  capitals: fc.boolean(),
  compress: fc.option(fc.tuple(fc.nat(7), fc.nat(7)), { nil: undefined }),
  dotted: fc.boolean(),
});

function write(
  groups: readonly number[],
  { digits, capitals, compress, dotted }: typeof notation extends fc.Arbitrary<infer N> ? N : never,
): string {
  const texts = groups.map((value) => value.toString(16).padStart(digits, "0"));
  if (dotted) {
    const [high = 0, low = 0] = groups.slice(6);
    texts.splice(6, 2, [high >> 8, high & 255, low >> 8, low & 255].join("."));
  }
  const [from = 0, to = 0] = compress?.toSorted((a, b) => a - b) ?? [];
  const zeros =
    compress && to < texts.length && groups.slice(from, dotted && to === 6 ? 8 : to + 1).every((value) => value === 0);
  const text = zeros ? `${texts.slice(0, from).join(":")}::${texts.slice(to + 1).join(":")}` : texts.join(":");
  return capitals ? text.toUpperCase() : text;
}

/** Addresses with runs of zeros, so that they can be compressed. */
const groups = fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 });

describe("networkOf", () => {
  it.each([
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:0db8::0001", "2001:db8:0:0"],
    ["2001:DB8:0:0:ffff::1", "2001:db8:0:0"],
    ["2001:db8:0:1::1", "2001:db8:0:1"],
    ["1::1", "1:0:0:0"],
    ["192.0.2.1", "c000:201"],
    ["::192.0.2.1", "c000:201"],
    ["::ffff:0:192.0.2.1", "c000:201"],
    ["::ffff:192.0.2.1", "c000:201"],
    ["::FFFF:c000:201", "c000:201"],
    ["0:0:0:0:0:ffff:c000:0201", "c000:201"],
    ["::ffff:0.0.0.1", "0:1"],
    ["64:ff9b::192.0.2.1", "c000:201"],
    ["64:ff9b:1::192.0.2.1", "64:ff9b:1:0"],
  ])("of %s is %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it.each([
    "",
    "unknown",
    "dead",
    "::1::",
    "1.2.3",
    "1.2.3.4:80",
    "[::1]",
    "fe80::1%eth0",
    "1.2.3.256",
    "::1]/[",
    "1.2.3.4, ::1",
  ])("of %j is the one for what is no address", (address) => {
    expect(networkOf(address)).toBe("");
  });

  it("is the same for any two notations of an address", () => {
    fc.assert(
      fc.property(groups, notation, notation, (address, one, other) => {
        const network = networkOf(write(address, one));
        expect(network).not.toBe("");
        expect(networkOf(write(address, other))).toBe(network);
      }),
    );
  });

  it("is the same for an IPv4 address and for the IPv6 address that it is mapped to", () => {
    fc.assert(
      fc.property(ipv4, notation, (address, how) => {
        const network = networkOf(address);
        expect(network).not.toBe("");
        const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
        expect(networkOf(write([0, 0, 0, 0, 0, 0xffff, a * 256 + b, c * 256 + d], how))).toBe(network);
      }),
    );
  });

  it("is shared by a /64 and by nothing else", () => {
    // Without the prefixes that embed IPv4 addresses.
    const prefix = half.filter(([first]) => first !== 0 && first !== 0x64);
    fc.assert(
      fc.property(prefix, prefix, half, half, notation, (network, other, one, two, how) => {
        const found = networkOf(write([...network, ...one], how));
        expect(networkOf(write([...network, ...two], how))).toBe(found);
        expect(networkOf(write([...other, ...one], how)) === found).toBe(String(network) === String(other));
      }),
    );
  });

  it("differs for any two IPv4 addresses", () => {
    fc.assert(
      fc.property(ipv4, ipv4, (one, other) => {
        expect(networkOf(`::ffff:${one}`) === networkOf(other)).toBe(one === other);
      }),
    );
  });
});

describe("isAddressRange", () => {
  it.each([
    "192.0.2.1",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "192.0.2.1/32",
    "::",
    "::1",
    "2001:db8::/32",
    "2001:DB8::1/128",
    "::ffff:192.0.2.1",
  ])("accepts %s", (text) => {
    expect(isAddressRange(text)).toBe(true);
  });

  it.each([
    "",
    "/24",
    "192.0.2.0/",
    "192.0.2.0/33",
    "192.0.2.0/024",
    "192.0.2.0/-1",
    "192.0.2.0/2.5",
    "192.0.2.0/24/24",
    "192.0.2",
    "192.0.2.256",
    "192.0.02.1",
    "0x7f.0.0.1",
    "2001:db8::/129",
    "2001:db8",
    "[::1]",
    "fe80::1%eth0",
    "localhost",
    " ::1",
    "192.0.2.1-192.0.2.9",
  ])("refuses %j", (text) => {
    expect(isAddressRange(text)).toBe(false);
  });
});
