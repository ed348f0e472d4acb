import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claimOf, firstClaim, hasValue, nameOf, scopesFrom } from "../../../src/core/auth/rules/claims.ts";

/** As a token has them. */
const parse = (json: string) => JSON.parse(json) as Record<string, unknown>;

describe("claimOf", () => {
  const claims = parse(
    `{"org_id":"a","https://acme.example/tenant":"b","custom:tenant":"c","/team":"d","app_metadata":{"tenant":"e","a/b":"f","m~n":"g","":"h"},"list":["i",{"id":"j"}],"":"k"}`,
  );

  it.each([
    ["org_id", "a"],
    ["https://acme.example/tenant", "b"],
    ["custom:tenant", "c"],
    ["/~1team", "d"],
    ["/app_metadata/tenant", "e"],
    ["/app_metadata/a~1b", "f"],
    ["/app_metadata/m~0n", "g"],
    ["/app_metadata/", "h"],
    ["/list/0", "i"],
    ["/list/1/id", "j"],
    ["/", "k"],
    ["/org_id", "a"],
    ["app_metadata/tenant", undefined],
    ["/team", undefined],
    ["/list/00", undefined],
    ["/list/-", undefined],
    ["/list/2", undefined],
    ["/list/length", undefined],
    ["/org_id/0", undefined],
    ["/org_id/length", undefined],
    ["/missing/tenant", undefined],
  ])("%s is %s", (path, value) => {
    expect(claimOf(claims, path)).toBe(value);
  });

  it.each(["constructor", "__proto__", "toString", "/constructor/name", "/app_metadata/constructor", "/list/map"])(
    "does not find %s, which no token has",
    (path) => {
      expect(claimOf(claims, path)).toBeUndefined();
    },
  );

  it("finds members that are named like those of a prototype", () => {
    expect(claimOf(parse(`{"__proto__":"a","constructor":{"name":"b"}}`), "__proto__")).toBe("a");
    expect(claimOf(parse(`{"__proto__":"a","constructor":{"name":"b"}}`), "/constructor/name")).toBe("b");
  });

  it("finds every member by its pointer", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), (names) => {
        const claims = names.reduceRight<unknown>(
          (value, name) => parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`),
          "x",
        );
        const pointer = names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
        expect(claimOf(claims, pointer)).toBe("x");
      }),
    );
  });
});

describe("nameOf", () => {
  it.each<[unknown, string | undefined]>([
    ["acme", "acme"],
    [" ", " "],
    [5, "5"],
    [0, "0"],
    [-3, "-3"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    [["acme"], "acme"],
    [[5], "5"],
    ["", undefined],
    [[""], undefined],
    [[], undefined],
    [["a", "b"], undefined],
    [["a", ""], undefined],
    [[["a"]], undefined],
    [{ a: "b" }, undefined],
    [true, undefined],
    [null, undefined],
    [undefined, undefined],
    [0.5, undefined],
    [2 ** 53, undefined],
    [Number.parseFloat("1e999"), undefined],
    ["\ud800", undefined],
  ])("of %j is %s", (value, name) => {
    expect(nameOf(value)).toBe(name);
  });
});

describe("firstClaim", () => {
  it("returns the first claim that is not empty, also if it names nobody", () => {
    const claims = { a: "", b: null, c: [], d: { e: 1 }, f: "x" };
    expect(firstClaim(claims, ["missing", "a", "b", "c", "f"])).toBe("x");
    expect(firstClaim(claims, ["a", "d", "f"])).toEqual({ e: 1 });
    expect(firstClaim(claims, ["a", "b", "c"])).toBeUndefined();
  });
});

describe("hasValue", () => {
  const claims = {
    verified: true,
    amr: ["pwd", "mfa"],
    level: 1,
    role: "authenticated",
    nested: { a: ["b"] },
    zero: 0,
  };

  it.each<[path: string, values: readonly unknown[], holds: boolean]>([
    ["verified", [true], true],
    ["verified", ["true"], false],
    ["verified", [1], false],
    ["amr", ["mfa"], true],
    ["amr", ["otp", "mfa"], true],
    ["amr", ["otp"], false],
    ["level", [1], true],
    ["level", ["1"], false],
    ["level", [2, 1], true],
    ["role", ["auth"], false],
    ["/nested/a", ["b"], true],
    ["zero", [false], false],
    ["missing", [false], false],
    ["constructor", [true], false],
  ])("%s with %j: %s", (path, values, holds) => {
    expect(hasValue(claims, path, values)).toBe(holds);
  });
});

describe("scopesFrom", () => {
  const map = {
    "video.write": ["uploads:create", "uploads:read"],
    "video.mint": ["grants:create"],
    "video.copy": ["uploads:copy"],
  } as const;

  it.each<[unknown, string[]]>([
    ["openid uploads:create  uploads:read", ["uploads:create", "uploads:read"]],
    [["uploads:read", "x", 5], ["uploads:read"]],
    ["uploads:copy uploads:edit playback:sign", ["playback:sign", "uploads:edit"]],
    [["uploads:read uploads:create"], []],
    [undefined, []],
    [{ "uploads:read": true }, []],
    ["", []],
  ])("without a map, %j has %j", (value, scopes) => {
    expect([...scopesFrom(value)].toSorted()).toEqual(scopes);
  });

  it.each<[unknown, string[]]>([
    ["video.write video.mint", ["grants:create", "uploads:create", "uploads:read"]],
    [["video.mint", "constructor", "__proto__"], ["grants:create"]],
    [["uploads:delete"], []],
    [["video.copy", "uploads:edit"], ["uploads:copy"]],
  ])("with a map, %j has %j", (value, scopes) => {
    expect([...scopesFrom(value, map)].toSorted()).toEqual(scopes);
  });
});
