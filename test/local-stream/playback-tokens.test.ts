import { describe, expect, it } from "vitest";
import { type AccessRule, admits } from "../../src/local-stream/access-rules.ts";
import { SigningKeys } from "../../src/local-stream/signing-keys.ts";
import { signToken, verifyToken } from "../../src/local-stream/tokens.ts";
import { tmpFolder } from "../support/files.ts";
import { join } from "node:path";

describe("verifyToken", () => {
  const NOW_MS = 1_800_000_000_000;
  const now = NOW_MS / 1_000;
  const folder = tmpFolder();
  let files = 0;
  const openKeys = () => new SigningKeys(join(folder, `${++files}.json`), () => NOW_MS);

  it("accepts a token from its nbf to its exp, by the given clock", async () => {
    const keys = openKeys();
    const token = await signToken(await keys.create(), "video", { nbf: now, exp: now + 60 });
    expect(await verifyToken(token, keys, NOW_MS)).toMatchObject({ sub: "video", exp: now + 60 });
    expect(await verifyToken(token, keys, NOW_MS - 1_000)).toBeUndefined();
    expect(await verifyToken(token, keys, NOW_MS + 60_000)).toBeUndefined();
  });

  it("refuses a token of another account, of a deleted key, and one that is none", async () => {
    const keys = openKeys();
    const key = await keys.create();
    const token = await signToken(key, "video", { exp: now + 60 });
    expect(await verifyToken(token, openKeys(), NOW_MS)).toBeUndefined();
    const stranger = await openKeys().create();
    const forged = await signToken({ ...stranger, id: key.id }, "video", { exp: now + 60 });
    expect(await verifyToken(forged, keys, NOW_MS)).toBeUndefined();
    for (const text of ["", "x", "a.b.c", `${token}x`]) expect(await verifyToken(text, keys, NOW_MS)).toBeUndefined();
    expect(await verifyToken(token, keys, NOW_MS)).toBeDefined();
    keys.delete(key.id);
    expect(await verifyToken(token, keys, NOW_MS)).toBeUndefined();
  });
});

describe("access rules", () => {
  const germany: AccessRule = { type: "ip.geoip.country", action: "allow", country: ["DE"] };
  const office: AccessRule = { type: "ip.src", action: "allow", ip: ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"] };
  const nobody: AccessRule = { type: "any", action: "block" };

  it.each<[string, readonly AccessRule[], string, string, boolean]>([
    ["lets in everybody without rules", [], "192.0.2.1", "DE", true],
    ["lets in a viewer whom no rule matches", [{ ...office, action: "block" }], "203.0.113.1", "DE", true],
    ["blocks everybody by any", [nobody], "192.0.2.1", "DE", false],
    ["lets the first match decide", [germany, nobody], "203.0.113.1", "DE", true],
    ["goes on to the next rule", [germany, nobody], "203.0.113.1", "FR", false],
    ["matches a range", [office, nobody], "192.0.2.255", "FR", true],
    ["matches a range of IPv6", [office, nobody], "2001:db8:1::1", "FR", true],
    ["matches an address", [office, nobody], "198.51.100.7", "FR", true],
    ["matches no other address", [office, nobody], "198.51.100.8", "FR", false],
  ])("%s", (_, rules, ip, country, expected) => {
    expect(admits(rules, { ip, country })).toBe(expected);
  });
});
