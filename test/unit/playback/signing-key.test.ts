import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseSigningKey, readSigningJwk } from "../../../src/core/playback/rules/signing-key.ts";

const jwkOf = (modulusLength: number) =>
  generateKeyPairSync("rsa", { modulusLength }).privateKey.export({ format: "jwk" });
const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString("base64");

const PLAIN = jwkOf(2_048);
const FROM_STREAM = { use: "sig", kid: "key-1", alg: "RS256", ...PLAIN };
const publicPart = { kty: PLAIN.kty, n: PLAIN.n, e: PLAIN.e };

describe("readSigningJwk", () => {
  it.each<[string, unknown]>([
    ["as Stream gives it", encode(FROM_STREAM)],
    ["in base64url", Buffer.from(JSON.stringify(FROM_STREAM)).toString("base64url")],
    ["as an object", FROM_STREAM],
    ["with the key's operations", { ...PLAIN, key_ops: ["sign"] }],
  ])("reads a key %s, and keeps what a signature needs", (_, value) => {
    expect(readSigningJwk(value, "key-1")).toEqual(PLAIN);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["an empty text", ""],
    ["text", "secret"],
    ["base64 of something else", btoa("secret")],
    ["a list", [FROM_STREAM]],
    ["null", null],
    ["a PEM", Buffer.from("-----BEGIN RSA PRIVATE KEY-----").toString("base64")],
    ["a public key", publicPart],
    ["a key without its primes", { ...publicPart, d: PLAIN.d }],
    ["a parameter that is no text", { ...PLAIN, d: 1 }],
    ["a parameter that is not base64url", { ...PLAIN, d: "a b" }],
    ["another type", { ...PLAIN, kty: "EC" }],
    ["another algorithm", { ...PLAIN, alg: "RS512" }],
    ["PSS", { ...PLAIN, alg: "PS256" }],
    ["a key for encryption", { ...PLAIN, use: "enc" }],
    ["a key for other operations", { ...PLAIN, key_ops: ["verify"] }],
    ["operations that are no list", { ...PLAIN, key_ops: "sign" }],
    ["more than two primes", { ...PLAIN, oth: [{}] }],
    ["another key's id", { ...PLAIN, kid: "key-2" }],
    ["1,024 bits", jwkOf(1_024)],
    ["2,047 bits", jwkOf(2_047)],
    ["bits that are zero", { ...PLAIN, n: Buffer.alloc(256).toString("base64url") }],
    ["4,104 bits", { ...PLAIN, n: Buffer.alloc(513, 255).toString("base64url") }],
  ])("refuses %s", (_, value) => {
    expect(readSigningJwk(value, "key-1")).toBeUndefined();
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.anything(), (value) => void readSigningJwk(value, "key-1")));
  });
});

const MINUTES = 60_000;

describe("chooseSigningKey", () => {
  it.each<[string, number[], number | undefined]>([
    ["none", [], undefined],
    ["one alone at once", [0], 0],
    ["the one before, while the newest is young", [9, 60], 60],
    ["the newest once it is old enough", [10, 60], 10],
    ["the oldest of young ones", [1, 2, 3], 3],
    ["the newest of old ones", [20, 30, 40], 20],
  ])("chooses %s", (_, ages, chosen) => {
    const now = 1_000 * MINUTES;
    const keys = ages.map((age) => ({ created: now - age * MINUTES }));
    const key = chooseSigningKey(keys, now);
    expect(key && (now - key.created) / MINUTES).toBe(chosen);
  });
});
